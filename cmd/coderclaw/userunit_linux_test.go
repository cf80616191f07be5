package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
	"github.com/coderclaw/coderclaw/servicegen"
)

// TestUserManager holds what the table of directives says of a user's manager
// against the one that is present.
func TestUserManager(t *testing.T) {
	t.Parallel()
	if !systemdtest.Inside(t) {
		return
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	h := host{t, filepath.Join(home, ".config", "systemd", "user")}
	h.must("systemctl", "--user", "is-system-running", "--wait")
	t.Run("directives", func(t *testing.T) { host{t, h.units}.directives(home) })
	for _, profile := range []string{"default", "free"} {
		t.Run(profile, func(t *testing.T) { host{t, h.units}.takes(home, profile) })
	}
}

// Shell commands that exit 0 when a directive had no effect.
const (
	sameNamespaces = `test "$(readlink /proc/self/ns/mnt /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/uts)" = "$SAME"`
	noFilter       = `grep -q "Seccomp:.0" /proc/self/status`
)

func (h host) directives(home string) {
	h.Helper()
	if version := h.must("systemctl", "--version"); !strings.HasPrefix(version, "systemd 252 ") {
		h.Skip("the table is about systemd 252, and this is another: " + version)
	}
	mark := filepath.Join(home, "mark")
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile("/tmp/mark", nil, 0o600); err != nil {
		h.Fatal(err)
	}
	same := h.must("readlink", "/proc/self/ns/mnt", "/proc/self/ns/net", "/proc/self/ns/ipc", "/proc/self/ns/uts")
	// What each directive does there: without, the probe exits 0.
	ignored := map[string]string{
		"ProtectSystem=strict": "touch " + mark, "ProtectHome=yes": "cat " + mark, "PrivateTmp=yes": "cat /tmp/mark",
		"PrivateMounts=yes": sameNamespaces, "PrivateIPC=yes": sameNamespaces, "ProtectHostname=yes": sameNamespaces + " && " + noFilter,
		"ProtectProc=invisible": "test -d /proc/1", "ProcSubset=pid": "cat /proc/meminfo",
		"ProtectControlGroups=yes": `grep -q "cgroup2? .*rw\| /sys/fs/cgroup rw" /proc/self/mountinfo`,
		"IPAddressDeny=any":        `perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0); connect(S, pack_sockaddr_in(9, inet_aton("127.0.0.1"))); exit($!{ECONNREFUSED} ? 0 : 1)'`,
		"DeviceAllow=/dev/null":    "cat /dev/zero | head -c 1", "RemoveIPC=yes": "true",
	}
	fails := []string{"CapabilityBoundingSet=", "ProtectClock=yes", "ProtectKernelLogs=yes", "ProtectKernelModules=yes", "PrivateDevices=yes", "RootDirectory=/", "DynamicUser=yes", "SupplementaryGroups=users"}
	filters := []string{
		"ProtectKernelTunables=yes", "RestrictAddressFamilies=~AF_X25", "RestrictNamespaces=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes",
		"MemoryDenyWriteExecute=yes", "SystemCallArchitectures=native", "SystemCallFilter=~@swap",
	}
	unit := func(directive, script string) (string, int) {
		return h.run("systemd-run", "--user", "--wait", "--pipe", "--quiet", "-p", directive, "-p", "Environment=\"SAME="+strings.ReplaceAll(strings.TrimSpace(same), "\n", `\n`)+"\"", "sh", "-c", script)
	}
	says := func(directive, want string) {
		h.Helper()
		name, _, _ := strings.Cut(directive, "=")
		for _, d := range servicegen.Directives() {
			if d.Name == name && !strings.Contains(d.UserOut, want) {
				h.Errorf("the table says of %s: %q, which does not say that %s", name, d.UserOut, want)
			}
		}
	}
	for directive, probe := range ignored {
		if out, code := unit(directive, probe); code != 0 {
			h.Errorf("%s had an effect: exit %d %s", directive, code, out)
		}
		if directive != "PrivateIPC=yes" && directive != "RemoveIPC=yes" {
			says(directive, "ignores it")
		}
	}
	for _, directive := range fails {
		if out, code := unit(directive, "true"); code < 200 {
			h.Errorf("%s: exit %d %s", directive, code, out)
		}
		says(directive, "the start fails")
	}
	for _, directive := range filters {
		out, code := unit(directive, noFilter)
		if code != 1 {
			h.Errorf("%s filters nothing: exit %d %s", directive, code, out)
		}
		if strings.HasPrefix(directive, "Protect") {
			says(directive, "only filter system calls")
		}
	}
}

// takes starts a unit with all that a user's unit has.
func (h host) takes(home, profile string) {
	h.Helper()
	registry := filepath.Join(home, ".config", "coderclaw", "profiles.toml")
	if err := os.MkdirAll(filepath.Dir(registry), 0o700); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(registry, []byte("[profiles.free]\nport = 45100\nisolation = \"off\"\n"), 0o600); err != nil {
		h.Fatal(err)
	}
	h.must("coderclaw", "--profile", profile, "gateway", "install")
	unit := "coderclaw-gateway.service"
	want := []string{"NoNewPrivs:\t1", "Seccomp:\t2"}
	if profile == "free" {
		unit = "coderclaw-gateway-free.service"
		want = []string{"NoNewPrivs:\t0", "Seccomp:\t0"}
	}
	h.until("the gateway is ready", func() bool {
		_, code := h.run("coderclaw", "--profile", profile, "gateway", "status", "--require-rpc")
		return code == 0
	})
	main := strings.TrimSpace(h.must("systemctl", "--user", "show", "-p", "MainPID", "--value", unit))
	status, err := os.ReadFile("/proc/" + main + "/status")
	if err != nil {
		h.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(string(status), w+"\n") {
			h.Errorf("the supervisor lacks %q:\n%s", w, status)
		}
	}
	// What an agent's tools do, in a unit with the same directives.
	text, err := os.ReadFile(filepath.Join(h.units, unit))
	if err != nil {
		h.Fatal(err)
	}
	u, err := servicegen.ParseUnit(text)
	if err != nil {
		h.Fatal(err)
	}
	args := []string{"--user", "--wait", "--pipe", "--quiet"}
	for _, d := range servicegen.Directives() {
		for _, v := range u.Values("Service", d.Name) {
			args = append(args, "-p", d.Name+"="+v)
		}
	}
	for what, script := range map[string]string{
		"a namespace of its own":   "unshare --user --map-root-user --mount --pid --fork true",
		"no address randomization": "setarch -R true",
		"bits of a file":           "touch f && chmod 6755 f && rm f",
		"writable code":            fmt.Sprintf(`perl -e 'exit(syscall(%d, 0, 4096, 7, 34, -1, 0) == -1 ? 1 : 0)'`, syscall.SYS_MMAP),
		"priorities":               "nice -n 5 true && ulimit -n 64",
	} {
		if out, code := h.run("systemd-run", append(args, "sh", "-c", script)...); code != 0 {
			h.Errorf("%s: exit %d %s", what, code, out)
		}
	}
	h.must("coderclaw", "--profile", profile, "gateway", "uninstall")
}
