package systemdtest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

func TestMain(m *testing.M) { os.Exit(systemdtest.Main(m)) }

func TestManager(t *testing.T) {
	t.Parallel()
	if !systemdtest.Inside(t) {
		return
	}
	if os.Getuid() == 0 {
		t.Error("the test runs as root")
	}
	out, err := exec.CommandContext(t.Context(), "systemctl", "--user", "is-system-running", "--wait").CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "running" {
		t.Fatalf("the manager is %q: %v", got, err)
	}
	out, err = exec.CommandContext(t.Context(), "systemd-run", "--user", "--wait", "--pipe", "echo", "hello").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "hello") {
		t.Fatalf("a transient unit: %v\n%s", err, out)
	}
}
