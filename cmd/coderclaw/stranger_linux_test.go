package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// TestServicesOfStrangers: a service file in a profile's place that another
// registry or another product put there is not acted on.
func TestServicesOfStrangers(t *testing.T) {
	t.Parallel()
	if !systemdtest.Inside(t) {
		return
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	const name = "coderclaw-gateway.service"
	h := host{t, filepath.Join(home, ".config", "systemd", "user")}
	unit := filepath.Join(h.units, name)
	h.must("systemctl", "--user", "is-system-running", "--wait")
	pid := func(h host) string { return h.must("systemctl", "--user", "show", "-P", "MainPID", name) }
	verbs := [][]string{{"gateway", "install"}, {"gateway", "start"}, {"gateway", "stop"}, {"gateway", "restart"}, {"gateway", "uninstall"}}

	t.Run("another registry", func(t *testing.T) {
		h := host{t, h.units}
		h.must("coderclaw", "gateway", "install")
		before, text := pid(h), h.must("cat", unit)
		dir := t.TempDir()
		file := filepath.Join(dir, "p.toml")
		other := fmt.Sprintf("[profiles.default]\nport = 25000\nstate_dir = %q\n", filepath.Join(dir, "state"))
		if err := os.WriteFile(file, []byte(other), 0o600); err != nil {
			t.Fatal(err)
		}
		env := []string{"CODERCLAW_REGISTRY=" + file}
		for _, args := range append(verbs, []string{"doctor", "--repair"}) {
			if out, code := h.with(env, args...); code != 1 || !strings.Contains(out, "to act on that one set CODERCLAW_REGISTRY="+filepath.Join(home, ".config", "coderclaw", "profiles.toml")) {
				t.Errorf("%v: exit %d\n%s", args, code, out)
			}
		}
		for _, args := range [][]string{{"reset", "--scope", "full", "--yes"}, {"uninstall", "--all", "--yes"}} {
			if out, code := h.with(env, args...); code != 0 {
				t.Errorf("%v: exit %d\n%s", args, code, out)
			}
		}
		if after := pid(h); after != before || h.must("cat", unit) != text {
			t.Errorf("the service went from pid %s to %s", before, after)
		}
		if err := os.WriteFile(file, []byte(other), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := h.with(env, "gateway", "install", "--force"); code != 0 || pid(h) == before {
			t.Errorf("install by force: exit %d\n%s", code, out)
		}
		if out, code := h.with(env, "gateway", "uninstall"); code != 0 {
			t.Errorf("uninstall of one's own: exit %d\n%s", code, out)
		}
	})
	t.Run("another product", func(t *testing.T) {
		h := host{t, h.units}
		if err := os.WriteFile(unit, []byte("[Service]\nExecStart=/bin/sleep 1000\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		h.must("systemctl", "--user", "daemon-reload")
		h.must("systemctl", "--user", "start", name)
		before := pid(h)
		for _, args := range verbs {
			if out, code := h.run("coderclaw", args...); code != 1 || !strings.Contains(out, "was not written by coderclaw") {
				t.Errorf("%v: exit %d\n%s", args, code, out)
			}
		}
		out := h.must("coderclaw", "gateway", "status")
		if !strings.Contains(out, "was not written by coderclaw") || strings.Contains(out, "differs") {
			t.Errorf("status says:\n%s", out)
		}
		if after := pid(h); after != before {
			t.Errorf("the service went from pid %s to %s", before, after)
		}
		h.must("systemctl", "--user", "stop", name)
		h.mustRemove(unit)
	})
}
