package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// traces is what systemd and the disk still know of our services.
func (h host) traces() string {
	h.Helper()
	var left []string
	for _, args := range [][]string{
		{"list-units", "--all", "--no-legend", "--plain", "coderclaw-*"},
		{"list-unit-files", "--no-legend", "coderclaw-*"},
		{"list-units", "--state=failed,not-found", "--no-legend", "--plain", "coderclaw-*"},
	} {
		// list-unit-files fails when it finds none.
		if out, _ := h.run("systemctl", append([]string{"--user"}, args...)...); strings.TrimSpace(out) != "" {
			left = append(left, strings.Join(args, " ")+": "+out)
		}
	}
	_ = filepath.WalkDir(filepath.Dir(filepath.Dir(h.units)), func(path string, d os.DirEntry, err error) error {
		if err == nil && path != h.units && (strings.Contains(d.Name(), "coderclaw") || strings.HasSuffix(d.Name(), ".wants")) {
			left = append(left, path)
		}
		return nil
	})
	return strings.Join(left, "\n")
}

// TestUninstallLeavesNothing removes a service from each condition it can be in.
func TestUninstallLeavesNothing(t *testing.T) {
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
	registry := filepath.Join(home, ".config", "coderclaw", "profiles.toml")
	for _, tc := range []struct {
		name  string
		spoil func(h host)
	}{
		{"running", func(host) {}},
		{"stopped", func(h host) { h.must("coderclaw", "gateway", "stop") }},
		{"failed", func(h host) {
			h.must("systemctl", "--user", "kill", "--kill-whom=all", "--signal=KILL", name)
			h.spoilExec(unit)
			h.must("systemctl", "--user", "daemon-reload")
			h.run("systemctl", "--user", "restart", name)
			h.until("the unit has failed", func() bool {
				out, _ := h.run("systemctl", "--user", "is-failed", name)
				return strings.TrimSpace(out) == "failed"
			})
		}},
		{"failed, its file gone", func(h host) {
			h.spoilExec(unit)
			h.must("systemctl", "--user", "daemon-reload")
			h.run("systemctl", "--user", "restart", name)
			h.until("the unit has failed", func() bool {
				out, _ := h.run("systemctl", "--user", "is-failed", name)
				return strings.TrimSpace(out) == "failed"
			})
			h.mustRemove(unit)
			h.must("systemctl", "--user", "daemon-reload")
		}},
		{"file gone while it runs", func(h host) { h.mustRemove(unit) }},
		{"file gone, link left, all reloaded", func(h host) {
			h.must("systemctl", "--user", "stop", name)
			h.mustRemove(unit)
			h.must("systemctl", "--user", "daemon-reload")
		}},
		{"behind a link", func(h host) {
			far := filepath.Join(h.TempDir(), name)
			if err := os.Rename(unit, far); err != nil {
				h.Fatal(err)
			}
			if err := os.Symlink(far, unit); err != nil {
				h.Fatal(err)
			}
		}},
		{"disabled", func(h host) { h.must("systemctl", "--user", "disable", name) }},
		{"masked", func(h host) {
			h.mustRemove(unit)
			h.must("systemctl", "--user", "mask", name)
		}},
		{"empty", func(h host) {
			if err := os.WriteFile(unit, nil, 0o600); err != nil {
				h.Fatal(err)
			}
		}},
		{"wanted by another target", func(h host) { h.must("systemctl", "--user", "add-wants", "basic.target", name) }},
		{"required by another target", func(h host) { h.must("systemctl", "--user", "add-requires", "default.target", name) }},
		{"wanted, its file gone", func(h host) {
			h.must("systemctl", "--user", "add-wants", "basic.target", name)
			h.must("systemctl", "--user", "add-requires", "default.target", name)
			h.mustRemove(unit)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := host{t, h.units}
			h.must("coderclaw", "gateway", "install", "--force")
			tc.spoil(h)
			out := h.must("coderclaw", "uninstall", "--yes")
			if !strings.Contains(out, "Removed "+unit) {
				t.Errorf("uninstall says:\n%s", out)
			}
			if left := h.traces(); left != "" {
				t.Errorf("left:\n%s", left)
			}
			if out := h.must("coderclaw", "uninstall", "--yes"); !strings.Contains(out, "Nothing to remove.") {
				t.Errorf("a second uninstall says:\n%s", out)
			}
		})
	}
	t.Run("reset stops the service", h.resetService)
	t.Run("all of it", func(t *testing.T) {
		h := host{t, h.units}
		h.must("coderclaw", "gateway", "install")
		h.must("coderclaw", "--profile", "rescue", "gateway", "install")
		h.must("coderclaw", "profiles", "create", "work")
		h.must("coderclaw", "doctor", "--all", "--repair", "--non-interactive")
		out := h.must("coderclaw", "uninstall", "--all", "--yes")
		if left := h.traces(); left != "" {
			t.Errorf("left:\n%s\n%s", left, out)
		}
		for _, path := range []string{registry, filepath.Dir(registry), filepath.Join(home, ".coderclaw"), filepath.Join(home, ".coderclaw-rescue")} {
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("%s: %v\n%s", path, err, out)
			}
		}
	})
}

func (h host) mustRemove(path string) {
	h.Helper()
	if err := os.Remove(path); err != nil {
		h.Fatal(err)
	}
}

// spoilExec lets the unit start a program that fails.
func (h host) spoilExec(unit string) {
	h.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		h.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, l := range lines {
		switch {
		case strings.HasPrefix(l, "ExecStart="):
			lines[i] = "ExecStart=/bin/false"
		case strings.HasPrefix(l, "Restart="):
			lines[i] = "Restart=no"
		}
	}
	if err := os.WriteFile(unit, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		h.Fatal(err)
	}
}

// resetService: reset stops the service by itself, and it stays stopped.
func (h host) resetService(t *testing.T) {
	h.T = t
	h.must("coderclaw", "gateway", "install")
	out := h.must("coderclaw", "reset", "--scope", "full", "--dry-run")
	if !strings.Contains(out, "stop") || h.pid("default") == 0 {
		t.Errorf("a dry run says:\n%s", out)
	}
	out = h.must("coderclaw", "reset", "--scope", "full", "--yes")
	if got, _ := h.run("systemctl", "--user", "is-active", "coderclaw-gateway.service"); strings.TrimSpace(got) != "inactive" {
		t.Errorf("the service is %s\n%s", got, out)
	}
	home := filepath.Dir(filepath.Dir(filepath.Dir(h.units)))
	left, err := os.ReadDir(filepath.Join(home, ".coderclaw"))
	if err != nil || len(left) != 1 || left[0].Name() != "desired" {
		t.Errorf("left in the state dir: %v, %v\n%s", left, err, out)
	}
	h.must("coderclaw", "setup")
	h.must("coderclaw", "gateway", "start")
	h.healthy()
	h.must("coderclaw", "reset", "--scope", "full", "--yes")
	out = h.must("coderclaw", "uninstall", "--all", "--yes") // which locks what it removes
	if left, err := os.ReadDir(filepath.Join(home, ".coderclaw")); !os.IsNotExist(err) {
		t.Errorf("left in the state dir: %v, %v\n%s", left, err, out)
	}
}
