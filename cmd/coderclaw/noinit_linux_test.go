package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// TestInstallWithoutSystemd installs where systemd is installed or not, and does not run.
func TestInstallWithoutSystemd(t *testing.T) {
	t.Parallel()
	if !systemdtest.InsideMachine(t) {
		return
	}
	h := host{t, filepath.Join("/home", theUser, ".config", "systemd", "user")}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	place(t, self, "/usr/local/bin/coderclaw")
	for _, mark := range []string{"/.dockerenv", "/usr/bin/crontab"} { // of the host that lends its root
		if err := os.Remove(mark); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	const run = "CODERCLAW_REGISTRY=/home/claw/.config/coderclaw/profiles.toml"
	for _, tc := range []struct {
		name, hide, env string
		code            int
		says            []string
	}{
		{"docker", "", "container=docker", 1, []string{"docker run --init --restart unless-stopped --env " + run + " IMAGE /usr/local/bin/coderclaw supervisor run --profile default\n", "nothing was installed"}},
		{"systemd not installed", "mount -t tmpfs none /usr/lib/systemd;", "X=", 1,
			[]string{"have whatever starts this machine run, as user claw:\n" + run + " /usr/local/bin/coderclaw supervisor run --profile default\n"}},
		{"OpenRC", "mkdir /run/openrc; touch /run/openrc/softlevel;", "X=", 1, []string{"#!/sbin/openrc-run\n", "command=/usr/local/bin/coderclaw\n", "command_user=claw\n", "rc-update add coderclaw-gateway"}},
		{"WSL", "", "WSL_DISTRO_NAME=Debian", 0, []string{"is written and enabled, and starts when this distribution runs systemd", "/etc/wsl.conf", "wsl --shutdown"}},
		{"image that is built", "", "X=", 0, []string{"already enabled", "starts when this machine is booted with systemd"}},
	} {
		out, code := h.run("unshare", "-m", "sh", "-c", "mount -t tmpfs none /run; "+tc.hide+
			" exec runuser -u claw -- env -i HOME=/home/claw PATH=/usr/local/bin:/usr/bin:/bin "+noRaceVar+" "+tc.env+" coderclaw gateway install")
		if code != tc.code {
			t.Errorf("%s: exit %d\n%s", tc.name, code, out)
		}
		for _, want := range tc.says {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in\n%s", tc.name, want, out)
			}
		}
		if _, err := os.Lstat(filepath.Join(h.units, "coderclaw-gateway.service")); (err == nil) != (tc.code == 0) {
			t.Errorf("%s: the unit file: %v", tc.name, err)
		}
	}
	// Whatever was written then starts when the user's manager comes.
	h.must("loginctl", "enable-linger", theUser)
	h.until("the gateway answers", func() bool {
		_, code := h.run("runuser", "-u", theUser, "--", "env", "-i", "HOME=/home/"+theUser, "PATH=/usr/local/bin:/usr/bin:/bin", noRaceVar, "coderclaw", "gateway", "status", "--require-rpc")
		return code == 0
	})
}
