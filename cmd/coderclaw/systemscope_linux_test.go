package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// TestServicesOfTheMachine installs, manages and removes a service of the machine that
// runs as an ordinary user.
func TestServicesOfTheMachine(t *testing.T) {
	t.Parallel()
	if !systemdtest.InsideMachine(t) {
		return
	}
	b := newBox(t)
	for _, part := range []struct {
		name string
		do   func(box)
	}{
		{"who may", box.whoMay},
		{"interrupted", box.interrupted},
		{"install", box.install},
		{"manage", box.manage},
		{"doctor", box.doctor},
		{"a socket unit", box.socket},
		{"one service only", box.onlyOne},
		{"uninstall", box.remove},
		{"one service only, the other way", box.onlyOneOfUser},
		{"somebody else's unit", box.takeOver},
		{"root by name", box.asRoot},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.do(b.in(t)) }) {
			return
		}
	}
}

func (b box) whoMay() {
	out, code := b.claw("--profile", "dev", "gateway", "install", "--system")
	b.refused(out, code, 1, "run: sudo "+installed+" --profile dev gateway install --system\n")
	out, code = b.run("runuser", "-u", "claw", "--", "env", "-i", "HOME=/tmp/it's", "XDG_CONFIG_HOME=/tmp/cfg", "PATH=/usr/bin:/bin", noRace, installed, "gateway", "install", "--system")
	b.refused(out, code, 1, `sudo env 'CODERCLAW_HOME=/tmp/it'\''s' CODERCLAW_REGISTRY=/tmp/cfg/coderclaw/profiles.toml `+installed+" gateway install --system\n")
	out, code = b.root("gateway", "install", "--system")
	b.refused(out, code, 2, "--user NAME")
	out, code = b.root("gateway", "install", "--system", "--user", "nobody-here")
	b.refused(out, code, 2, `there is no user "nobody-here"`)
	out, code = b.root("gateway", "install", "--user", "claw")
	b.refused(out, code, 2, "--user is for --system")
	for _, verb := range []string{"start", "restart"} {
		if out, code := b.root("gateway", verb, "--system"); code != 0 || !strings.Contains(out, "Start with: coderclaw gateway install --system --user NAME\n") {
			b.Errorf("%s of what is not there: exit %d\n%s", verb, code, out)
		}
	}

	state := filepath.Join(clawHome, ".coderclaw")
	if err := os.Mkdir(state, 0o700); err != nil {
		b.Fatal(err)
	}
	out, code = b.sudo("gateway", "install", "--system")
	b.refused(out, code, 1, "nothing was installed", state+" belongs to user root", "sudo chown -R claw: "+state)
	if err := os.Remove(state); err != nil {
		b.Fatal(err)
	}
	hidden := filepath.Join(homeOfRoot(b.T), "bin", "coderclaw")
	if err := os.MkdirAll(filepath.Dir(hidden), 0o755); err != nil {
		b.Fatal(err)
	}
	place(b.T, installed, hidden)
	out, code = b.run("env", slices.Concat(b.rootEnv(), []string{hidden, "gateway", "install", "--system", "--user", "claw"})...)
	b.refused(out, code, 1, "nothing was installed", "user claw cannot run "+hidden)
	loose := "/home/claw/coderclaw"
	place(b.T, installed, loose)
	out, code = b.run("env", slices.Concat(b.rootEnv(), []string{loose, "gateway", "install", "--system", "--user", "root"})...)
	b.refused(out, code, 1, "nothing was installed", "/home/claw", "may be changed by others than root")
	if err := os.Remove(loose); err != nil {
		b.Fatal(err)
	}
	if left := b.traces(); len(left) > 0 {
		b.Errorf("a refused installation leaves %q", left)
	}
}

// interrupted: an installation that is broken off while it waits leaves nothing of
// the service, and what it made for claw is claw's.
func (b box) interrupted() {
	slow := filepath.Join(clawHome, ".coderclaw", slowFile)
	b.must("runuser", "-u", "claw", "--", "mkdir", "-m", "0700", filepath.Dir(slow))
	b.must("runuser", "-u", "claw", "--", "touch", slow)
	cmd := exec.CommandContext(b.Context(), "env", slices.Concat(b.rootEnv(), []string{installed, "gateway", "install", "--system", "--user", "claw"})...)
	cmd.WaitDelay = 10 * time.Second
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.until("the unit runs", func() bool {
		return b.must("systemctl", "show", "-p", "SubState", machineUnit) == "SubState=running\n"
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "everything is as it was") {
		b.Errorf("the installation ended with %v:\n%s", err, said.String())
	}
	if left := b.traces(); len(left) > 0 {
		b.Errorf("an interrupted installation leaves %q", left)
	}
	b.owners()
	if err := os.Remove(slow); err != nil {
		b.Fatal(err)
	}
}

func (b box) install() {
	out := b.well(b.sudo("gateway", "install", "--system"))
	if !strings.Contains(out, "Installed systemd service: "+machineFile+"\n") {
		b.Errorf("install says:\n%s", out)
	}
	unit, err := os.ReadFile(machineFile)
	if err != nil {
		b.Fatal(err)
	}
	for _, want := range []string{"\nUser=claw\n", "\nWantedBy=multi-user.target\n", "\nWants=network-online.target\n",
		"\nEnvironment=CODERCLAW_REGISTRY=" + clawHome + "/.config/coderclaw/profiles.toml\n"} {
		if !strings.Contains(string(unit), want) {
			b.Errorf("the unit lacks %q:\n%s", want, unit)
		}
	}
	if got := b.show("ActiveState,UnitFileState,NeedDaemonReload"); sorted(got) != "ActiveState=active\nNeedDaemonReload=no\nUnitFileState=enabled" {
		b.Errorf("systemd shows:\n%s", got)
	}
	pid, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(b.show("MainPID")), "MainPID="))
	if err != nil {
		b.Fatal(err)
	}
	gateway := b.gateway()
	for _, p := range []int{pid, gateway} {
		if proc, err := proctable.Get(p); err != nil || proc.UID != b.uid {
			b.Errorf("pid %d: %+v, %v", p, proc, err)
		}
	}
	if !proctable.IsDescendant(gateway, pid) {
		b.Errorf("the gateway %d does not descend from the unit's process %d", gateway, pid)
	}
	b.owners()
	before := b.show("MainPID,ExecMainStartTimestampMonotonic") + stamp(b.T, machineFile)
	if out := b.well(b.sudo("gateway", "install", "--system")); !strings.Contains(out, "already enabled: "+machineFile) {
		b.Errorf("a second install says:\n%s", out)
	}
	if out := b.well(b.root("gateway", "install", "--system")); !strings.Contains(out, "already") {
		b.Errorf("root's install of what is there says:\n%s", out)
	}
	if after := b.show("MainPID,ExecMainStartTimestampMonotonic") + stamp(b.T, machineFile); after != before || b.gateway() != gateway {
		b.Errorf("a second install changed something:\n%s\n%s", before, after)
	}
}

func (b box) manage() {
	for name, do := range map[string]func(...string) (string, int){"sudo": b.sudo, "root": b.root, "claw": b.claw} {
		for _, flags := range [][]string{nil, {"--system"}} {
			out := b.well(do(slices.Concat([]string{"gateway", "status", "--require-rpc"}, flags)...))
			if !strings.Contains(out, "Service file: "+machineFile+"\nRuns as: claw, as a service of the machine\n") || !strings.Contains(out, "Registered: yes, loaded: yes, process alive: yes, owns the port: yes, ready: yes, authenticated: yes") {
				b.Errorf("%s %v: status says:\n%s", name, flags, out)
			}
		}
	}
	unit, gateway := b.show("MainPID"), b.gateway()
	b.well(b.claw("gateway", "restart"))
	if now := b.gateway(); now == gateway || b.show("MainPID") != unit {
		b.Errorf("claw's restart: the gateway went from %d to %d", gateway, now)
	}
	b.well(b.sudo("gateway", "restart", "--system"))
	for _, verb := range []string{"stop", "uninstall"} {
		out, code := b.claw("gateway", verb)
		b.refused(out, code, 1, "belongs to the machine", "run: sudo "+installed+" gateway "+verb+" --system")
	}
	b.well(b.sudo("gateway", "stop"))
	if got := b.show("ActiveState"); got != "ActiveState=inactive\n" {
		b.Errorf("after stop: %s", got)
	}
	out, code := b.claw("gateway", "start")
	b.refused(out, code, 1, "run: sudo "+installed+" gateway start --system")
	b.well(b.root("gateway", "start", "--system"))
	b.well(b.claw("gateway", "status", "--require-rpc"))
	b.well(b.claw("gateway", "start"))
	b.owners()
}

func (b box) socket() {
	b.well(b.sudo("gateway", "install", "--system", "--socket"))
	if got := b.must("systemctl", "show", "-p", "ActiveState,UnitFileState", "coderclaw-gateway.socket"); got != "ActiveState=active\nUnitFileState=enabled\n" {
		b.Errorf("systemd shows of the socket unit:\n%s", got)
	}
	if out := b.well(b.claw("gateway", "status", "--require-rpc")); !strings.Contains(out, "Socket unit: /etc/systemd/system/coderclaw-gateway.socket (active)\n") {
		b.Errorf("status says:\n%s", out)
	}
	gateway := b.gateway()
	b.must("systemctl", "restart", machineUnit)
	b.well(b.claw("gateway", "status", "--require-rpc")) // who comes too early waits
	if now := b.gateway(); now == gateway {
		b.Errorf("the gateway is still %d", now)
	}
	b.well(b.sudo("gateway", "install", "--system", "--socket=false"))
	b.well(b.claw("gateway", "status", "--require-rpc"))
	if left := b.traces(); slices.ContainsFunc(left, func(what string) bool { return strings.Contains(what, ".socket") }) {
		b.Errorf("of the socket unit is left: %q", left)
	}
	b.owners()
}

func (b box) onlyOne() {
	out, code := b.claw("gateway", "install")
	b.refused(out, code, 1, "service of the machine already", "sudo "+installed+" gateway uninstall --system")
	if _, err := os.Lstat(filepath.Join(b.units, machineUnit)); err == nil {
		b.Error("the second service was written")
	}
	b.must("useradd", "--create-home", "--shell", "/bin/sh", "otter")
	out, code = b.root("gateway", "install", "--system", "--user", "otter")
	b.refused(out, code, 1, "runs as user claw, not otter", "remove that service first with: "+installed+" gateway uninstall --system")
	if out, _ := b.run("runuser", "-u", "otter", "--", "env", "-i", "HOME=/home/otter", "PATH=/usr/bin:/bin", noRace, installed, "gateway", "status"); strings.Contains(out, machineFile) {
		b.Errorf("otter's status shows claw's service:\n%s", out)
	}
	b.well(b.claw("gateway", "status", "--require-rpc"))
}

func (b box) remove() {
	b.well(b.sudo("gateway", "uninstall"))
	if left := b.traces(); len(left) > 0 {
		b.Errorf("uninstall leaves %q", left)
	}
	out := b.well(b.sudo("gateway", "uninstall", "--system"))
	if !strings.Contains(out, "service not found at "+machineFile) {
		b.Errorf("a second uninstall says:\n%s", out)
	}
	b.owners()
}

func (b box) onlyOneOfUser() {
	b.must("loginctl", "enable-linger", "claw")
	b.must("systemctl", "--user", "-M", "claw@", "is-system-running", "--wait")
	b.well(b.claw("gateway", "install"))
	file := filepath.Join(b.units, machineUnit)
	out, code := b.sudo("gateway", "install", "--system")
	b.refused(out, code, 1, "has a service of user claw already, "+file, "remove it first with: "+installed+" gateway uninstall\n")
	out, code = b.root("gateway", "install", "--system", "--user", "claw")
	b.refused(out, code, 1, "remove it first with: sudo -iu claw "+installed+" gateway uninstall\n")
	if left := b.traces(); len(left) > 0 {
		b.Errorf("a refused installation leaves %q", left)
	}
	b.well(b.claw("gateway", "status", "--require-rpc"))
	b.well(b.run("runuser", "-l", "claw", "-c", installed+" gateway uninstall")) // what sudo -iu does
	b.well(b.sudo("gateway", "install", "--system"))
	b.well(b.sudo("gateway", "uninstall", "--system"))
}

func (b box) asRoot() {
	b.well(b.sudo("gateway", "install", "--system", "--user", "root"))
	if got := b.show("User"); got != "User=root\n" {
		b.Errorf("systemd shows %s", got)
	}
	if alien := strangers("/root", 0); len(alien) > 0 {
		b.Errorf("not of root: %q", alien)
	}
	b.well(b.root("gateway", "status", "--require-rpc"))
	b.well(b.root("gateway", "uninstall", "--system"))
	if left := b.traces(); len(left) > 0 {
		b.Errorf("uninstall leaves %q", left)
	}
}
