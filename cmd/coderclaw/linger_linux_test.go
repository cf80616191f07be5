package main

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// theUser is the ordinary user of the sandbox.
const theUser = "claw"

// asUser runs a command line of the shell as the user but without a session and
// with next to no environment, as cron does.
func (h host) asUser(line string) (string, int) {
	h.Helper()
	return h.run("runuser", "-u", theUser, "--", "env", "-i", "HOME=/home/"+theUser, "PATH=/usr/local/bin:/usr/bin:/bin", noRaceVar, "sh", "-c", "cd && "+line)
}

// loggedIn runs it in a session of its own, which ends with it.
func (h host) loggedIn(line string) string {
	h.Helper()
	return h.must("runuser", "-l", theUser, "-c", line)
}

// TestLingeringAndLogout holds what install says of lingering against what logind does.
func TestLingeringAndLogout(t *testing.T) {
	t.Parallel()
	if !systemdtest.InsideMachine(t) {
		return
	}
	if _, err := os.Stat("/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("polkit is missing; install the package polkitd")
		}
		t.Skip("polkit is missing")
	}
	h := host{t, filepath.Join("/home", theUser, ".config", "systemd", "user")}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	place(t, self, "/usr/local/bin/coderclaw")
	account, err := user.Lookup(theUser)
	if err != nil {
		t.Fatal(err)
	}
	manager := "user@" + account.Uid + ".service"
	h.writeFile("/etc/systemd/logind.conf.d/test.conf", "[Login]\nUserStopDelaySec=0\n") // else ten seconds after each logout
	h.must("systemctl", "restart", "systemd-logind.service")
	h.must("loginctl", "list-users")

	managerIs := func(want string) {
		t.Helper()
		h.until("the user's manager is "+want, func() bool {
			out, _ := h.run("systemctl", "is-active", manager)
			return strings.TrimSpace(out) == want
		})
	}
	supervisor := func() string {
		t.Helper()
		out, _ := h.run("pgrep", "-u", theUser, "-f", "coderclaw supervisor run")
		return strings.TrimSpace(out)
	}

	// Nobody is logged in: written, enabled, and said when it starts.
	out, code := h.asUser("coderclaw gateway install")
	for _, want := range []string{"starts at the next login of claw", "without lingering the gateway stops when claw logs out", "to change that: loginctl enable-linger claw\n"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("install says, exit %d, not %q:\n%s", code, want, out)
		}
	}
	// It does start at the next login, and ends with it.
	out = h.loggedIn("systemctl --user is-system-running --wait; coderclaw gateway start && coderclaw gateway status --require-rpc && env -u XDG_RUNTIME_DIR -u DBUS_SESSION_BUS_ADDRESS coderclaw gateway status")
	if strings.Count(out, "Service: systemd (enabled)") != 2 || strings.Count(out, "ready: yes") != 2 {
		t.Errorf("at the login:\n%s", out)
	}
	managerIs("inactive")
	if pid := supervisor(); pid != "" {
		t.Errorf("after the logout supervisor %s is there", pid)
	}

	// Once polkit and the user have said yes it runs without a login.
	out, code = h.asUser("coderclaw gateway install --linger")
	if code != 0 || !strings.Contains(out, "Lingering is now on for claw") || strings.Contains(out, "warning: ") {
		t.Errorf("install --linger: exit %d\n%s", code, out)
	}
	before := supervisor()
	h.loggedIn("true")
	h.until("the session is over", func() bool { return strings.TrimSpace(h.must("loginctl", "list-sessions", "--no-legend")) == "" })
	managerIs("active")
	if pid := supervisor(); pid == "" || pid != before {
		t.Errorf("after the logout the supervisor went from %q to %q", before, pid)
	}
	h.must("systemctl", "restart", manager) // what a boot does
	h.until("the gateway answers after the boot", func() bool {
		_, code := h.asUser("coderclaw gateway status --require-rpc")
		return code == 0
	})
	out, code = h.asUser("coderclaw gateway install")
	if code != 0 || !strings.Contains(out, "already") || strings.Contains(out, "warning: ") {
		t.Errorf("install again: exit %d\n%s", code, out)
	}

	// Switched off behind its back, doctor switches it on.
	h.must("loginctl", "disable-linger", theUser)
	managerIs("inactive")
	if out, code := h.asUser("coderclaw doctor --only linger-off"); code != 1 || !strings.Contains(out, "linger-off") || !strings.Contains(out, "fix: run: loginctl enable-linger claw") {
		t.Errorf("doctor: exit %d\n%s", code, out)
	}
	if out, code := h.asUser("coderclaw doctor --only linger-off --repair --non-interactive"); code != 0 || !strings.Contains(out, "mended") {
		t.Errorf("doctor --repair: exit %d\n%s", code, out)
	}
	managerIs("active")

	// Where only root may, the line for root is told and nothing is asked for.
	h.must("loginctl", "disable-linger", theUser)
	managerIs("inactive")
	h.writeFile("/etc/polkit-1/rules.d/00-test.rules", `polkit.addRule(function(action, subject) {
	if (action.id.indexOf("linger") > 0) { return polkit.Result.AUTH_ADMIN; }
});
`)
	h.must("systemctl", "restart", "polkit.service")
	const line = "sudo loginctl enable-linger claw"
	if out, code := h.asUser("coderclaw gateway install"); code != 0 || !strings.Contains(out, "to change that: "+line+"\n") {
		t.Errorf("install: exit %d\n%s", code, out)
	}
	if out, code := h.asUser("coderclaw gateway install --linger"); code != 1 || !strings.Contains(out, "run: "+line+"\n") {
		t.Errorf("install --linger: exit %d\n%s", code, out)
	}

	if out, code := h.asUser("coderclaw doctor --only linger-off --repair --non-interactive"); code != 1 || !strings.Contains(out, "fix: run: "+line+"\n") {
		t.Errorf("doctor --repair: exit %d\n%s", code, out)
	}

	// As root put by sudo: nobody wants a service of root's own.
	if out, code := h.run("env", "SUDO_UID="+account.Uid, "SUDO_USER="+theUser, "coderclaw", "gateway", "install"); code != 2 || !strings.Contains(out, "leave sudo out to install one for claw, or add --system") {
		t.Errorf("sudo: exit %d\n%s", code, out)
	}

	h.must("loginctl", "enable-linger", theUser)
	h.until("the gateway answers", func() bool {
		_, code := h.asUser("coderclaw gateway status --require-rpc")
		return code == 0
	})
	out, code = h.asUser("coderclaw uninstall --all --yes")
	if code != 0 || !strings.Contains(out, "Lingering stays on for claw") || supervisor() != "" {
		t.Errorf("uninstall: exit %d, supervisor %q\n%s", code, supervisor(), out)
	}
	if out, _ := h.asUser("XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user list-units --all --no-legend 'coderclaw*'; find ~ -mindepth 1 -name '*claw*'"); strings.TrimSpace(out) != "" {
		t.Errorf("left:\n%s", out)
	}
}

func (h host) writeFile(path, text string) {
	h.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.Fatal(err)
	}
}
