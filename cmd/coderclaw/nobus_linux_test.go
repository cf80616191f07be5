package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// with runs coderclaw with an environment of its own beside HOME and PATH, as
// cron, su and the like do.
func (h host) with(env []string, args ...string) (string, int) {
	h.Helper()
	program, err := exec.LookPath("coderclaw")
	if err != nil {
		h.Fatal(err)
	}
	base := []string{"-i", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), noRaceVar, "GOCOVERDIR=" + os.Getenv("GOCOVERDIR")}
	return h.run("env", append(append(append(base, env...), program), args...)...)
}

const noRaceVar = "GORACE=" + noRaceWait

// TestWaysIn reaches one service from environments in which nothing, or the
// wrong thing, says where its manager is.
func TestWaysIn(t *testing.T) {
	t.Parallel()
	if !systemdtest.Inside(t) {
		return
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	h := host{t, filepath.Join(home, ".config", "systemd", "user")}
	out, code := h.with(nil, "gateway", "install")
	if code != 0 || !strings.Contains(out, "Installed systemd service") || strings.Contains(out, "no service manager") {
		t.Fatalf("install from cron: exit %d\n%s", code, out)
	}
	for name, env := range map[string][]string{
		"cron":            nil,
		"su":              {"XDG_RUNTIME_DIR=/run/lock", "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/0/bus"}, // root's
		"session is over": {"XDG_RUNTIME_DIR=/run/user/none"},
		"WSLg":            {"XDG_RUNTIME_DIR=" + t.TempDir()},
		"other bus":       {"DBUS_SESSION_BUS_ADDRESS=unix:abstract=nobody"},
	} {
		out, code := h.with(env, "gateway", "status", "--require-rpc")
		if code != 0 || !strings.Contains(out, "Service: systemd (enabled)") || !strings.Contains(out, "Registered: yes, loaded: yes") {
			t.Errorf("%s: exit %d\n%s", name, code, out)
		}
	}
	t.Run("another home", h.anotherHome)
	t.Run("manager out of reach", h.outOfReach)
	h.must("coderclaw", "gateway", "uninstall")
	t.Run("a manager with another home", h.managerElsewhere)
}

// managerElsewhere: a service serves the home that it was installed for, although
// its manager has another.
func (h host) managerElsewhere(t *testing.T) {
	h.T = t
	home := t.TempDir()
	env := []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + os.Getenv("XDG_RUNTIME_DIR")}
	for _, args := range [][]string{{"gateway", "install"}, {"gateway", "restart"}, {"gateway", "status", "--require-rpc"}} {
		if out, code := h.with(env, args...); code != 0 {
			t.Errorf("%v: exit %d\n%s", args, code, out)
		}
	}
	if out := h.must("systemctl", "--user", "show", "-P", "Environment", "coderclaw-gateway.service"); !strings.Contains(out, "CODERCLAW_HOME="+home) {
		t.Errorf("the service has the environment %s", out)
	}
	if out, code := h.with(env, "uninstall", "--all", "--yes"); code != 0 {
		t.Errorf("uninstall: exit %d\n%s", code, out)
	}
	if left := h.traces(); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

// anotherHome: the manager of the account would not see what is written below a
// home that is not the account's, so it is not told, and its own service stays.
func (h host) anotherHome(t *testing.T) {
	h.T = t
	home := t.TempDir()
	before := h.must("systemctl", "--user", "show", "-p", "MainPID", "coderclaw-gateway.service")
	out, code := h.with([]string{"HOME=" + home}, "gateway", "install")
	if code != 0 || !strings.Contains(out, "no service manager answers here, so the service is written and enabled, and starts at the next login") {
		t.Errorf("install: exit %d\n%s", code, out)
	}
	units := filepath.Join(home, ".config", "systemd", "user")
	link := filepath.Join(units, "default.target.wants", "coderclaw-gateway.service")
	if target, err := filepath.EvalSymlinks(link); err != nil || target != filepath.Join(units, "coderclaw-gateway.service") {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if out, code := h.with([]string{"HOME=" + home}, "gateway", "uninstall"); code != 0 {
		t.Errorf("uninstall: exit %d\n%s", code, out)
	}
	if left, err := os.ReadDir(units); err != nil || len(left) > 0 {
		t.Errorf("uninstall leaves %v, %v", left, err)
	}
	// Where the environment names the manager, its service of the name is another's.
	named := []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + os.Getenv("XDG_RUNTIME_DIR")}
	if out, code := h.with(named, "gateway", "install"); code != 1 || !strings.Contains(out, "run this with the HOME and XDG_CONFIG_HOME of your login") {
		t.Errorf("install at a manager of another home: exit %d\n%s", code, out)
	}
	for _, args := range [][]string{{"gateway", "uninstall"}, {"uninstall", "--yes"}, {"gateway", "stop"}, {"gateway", "restart"}} {
		if out, code := h.with(named, args...); code != 0 {
			t.Errorf("%v: exit %d\n%s", args, code, out)
		}
	}
	if after := h.must("systemctl", "--user", "show", "-p", "MainPID", "coderclaw-gateway.service"); after != before {
		t.Errorf("the service of the account went from %s to %s", before, after)
	}
}

// outOfReach: the files of a service that runs stay as long as nobody can stop it.
func (h host) outOfReach(t *testing.T) {
	h.T = t
	dir := filepath.Join("/run/user", strconv.Itoa(os.Getuid()))
	for _, name := range []string{"bus", "systemd/private"} {
		path := filepath.Join(dir, name)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		defer os.Rename(path+".away", path)
	}
	out, _ := h.with(nil, "gateway", "status")
	if !strings.Contains(out, "Service: systemd (enabled)") || !strings.Contains(out, " supervisor run --profile default\n") {
		t.Errorf("status says of what is on disk:\n%s", out)
	}
	for _, verb := range [][]string{{"gateway", "uninstall"}, {"uninstall", "--yes"}, {"uninstall", "--all", "--yes"}, {"reset", "--scope", "config", "--yes"}} {
		out, code := h.with(nil, verb...)
		if code != 75 || !strings.Contains(out, "manager cannot be told to stop it") {
			t.Errorf("%v: exit %d\n%s", verb, code, out)
		}
	}
	if _, err := os.Stat(filepath.Join(h.units, "coderclaw-gateway.service")); err != nil {
		t.Error(err)
	}
}
