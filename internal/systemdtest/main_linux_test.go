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

func TestMachine(t *testing.T) {
	t.Parallel()
	if !systemdtest.InsideMachine(t) {
		return
	}
	if os.Getuid() != 0 {
		t.Error("the test does not run as root")
	}
	out, err := exec.CommandContext(t.Context(), "systemd-run", "--wait", "--pipe", "--uid=claw", "id", "-un").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "claw\n") {
		t.Errorf("a transient unit: %v\n%s", err, out)
	}
	// Lingering starts the manager of a user who is not logged in.
	if out, err := exec.CommandContext(t.Context(), "loginctl", "enable-linger", "claw").CombinedOutput(); err != nil {
		t.Fatalf("linger: %v\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), "systemctl", "--user", "-M", "claw@", "is-system-running", "--wait").CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "running" {
		t.Errorf("the user's manager is %q: %v", got, err)
	}
}
