package main

import (
	"io/fs"
	"os"
	"os/exec"
	"os/user"
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

const (
	installed   = "/usr/local/bin/coderclaw"
	machineUnit = "coderclaw-gateway.service"
	machineFile = "/etc/systemd/system/" + machineUnit
	clawHome    = "/home/claw"
)

// box is a machine with an ordinary user called claw.
type box struct {
	host
	uid int
}

// newBox puts the program where every user can run it.
func newBox(t *testing.T) box {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	place(t, exe, installed)
	b := box{host: host{T: t, units: filepath.Join(clawHome, ".config/systemd/user")}}
	b.uid, err = strconv.Atoi(strings.TrimSpace(b.must("id", "-u", "claw")))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b box) in(t *testing.T) box { b.T = t; return b }

// sudo runs coderclaw as root, called by claw.
func (b box) sudo(args ...string) (string, int) {
	b.Helper()
	return b.run("env", slices.Concat(b.rootEnv(), []string{"SUDO_USER=claw", "SUDO_UID=" + strconv.Itoa(b.uid), installed}, args)...)
}

// root runs coderclaw as root who has logged in as such.
func (b box) root(args ...string) (string, int) {
	b.Helper()
	return b.run("env", slices.Concat(b.rootEnv(), []string{installed}, args)...)
}

func (b box) rootEnv() []string {
	return []string{"-i", "HOME=/root", "USER=root", "PATH=/usr/local/bin:/usr/bin:/bin", noRace, "GOCOVERDIR=" + os.Getenv("GOCOVERDIR")}
}

// claw runs coderclaw as claw.
func (b box) claw(args ...string) (string, int) {
	b.Helper()
	return b.run("runuser", slices.Concat([]string{"-u", "claw", "--", "env", "-i", "HOME=" + clawHome, "USER=claw",
		"PATH=/usr/local/bin:/usr/bin:/bin", noRace, installed}, args)...)
}

const noRace = "GORACE=" + noRaceWait

// well fails the test unless a command went well.
func (b box) well(out string, code int) string {
	b.Helper()
	if code != 0 {
		b.Fatalf("exit %d\n%s", code, out)
	}
	return out
}

// refused fails the test unless a command was refused for a reason in these words.
func (b box) refused(out string, code, want int, words ...string) {
	b.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			b.Errorf("the refusal lacks %q:\n%s", w, out)
		}
	}
	if code != want {
		b.Errorf("exit %d, want %d\n%s", code, want, out)
	}
}

func (b box) show(props string) string {
	b.Helper()
	return b.must("systemctl", "show", "-p", props, machineUnit)
}

// traces are what is left of the service on disk and in the manager.
func (b box) traces() []string {
	b.Helper()
	var out []string
	for _, dir := range []string{"/etc/systemd", "/run/systemd/system", "/run/systemd/transient"} {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
			if strings.Contains(filepath.Base(path), "coderclaw") {
				out = append(out, path)
			}
			return nil
		})
	}
	for line := range strings.Lines(b.must("systemctl", "list-units", "--all", "--no-legend", "--plain", "coderclaw*")) {
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

// strangers are files below dir that belong to another user.
func strangers(dir string, uid int) []string {
	var out []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			out = append(out, path+": "+err.Error())
			return nil
		}
		if info, err := d.Info(); err == nil && int(info.Sys().(*syscall.Stat_t).Uid) != uid {
			out = append(out, path)
		}
		return nil
	})
	return out
}

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

func stamp(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime().String()
}

// owners: everything in claw's home is claw's, and nothing was made in root's.
func (b box) owners() {
	b.Helper()
	if alien := strangers(clawHome, b.uid); len(alien) > 0 {
		b.Errorf("not of claw: %q", alien)
	}
	for _, name := range []string{".coderclaw", ".config/coderclaw"} {
		path := filepath.Join(homeOfRoot(b.T), name)
		if _, err := os.Lstat(path); err == nil {
			b.Errorf("%s was made", path)
		}
	}
}

// gateway is the pid of claw's default gateway.
func (b box) gateway() int {
	b.Helper()
	out := b.well(b.claw("gateway", "status", "--json"))
	_, rest, _ := strings.Cut(out, `"instance": {`)
	_, rest, _ = strings.Cut(rest, `"pid": `)
	digits, _, _ := strings.Cut(rest, ",")
	pid, err := strconv.Atoi(digits)
	if err != nil {
		b.Fatalf("%v in\n%s", err, out)
	}
	return pid
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

// doctor: who the service runs as may look, and root mends, with the files of each
// in the hands of whom they belong to.
func (b box) doctor() {
	for name, do := range map[string]func(...string) (string, int){"sudo": b.sudo, "root": b.root, "claw": b.claw} {
		for _, flags := range [][]string{nil, {"--system"}, {"--all"}} {
			if out, code := do(slices.Concat([]string{"doctor"}, flags)...); code != 0 {
				b.Errorf("%s %v: exit %d\n%s", name, flags, code, out)
			}
		}
	}
	text, err := os.ReadFile(machineFile)
	if err != nil {
		b.Fatal(err)
	}
	broken := strings.Replace(string(text), "KillMode=mixed\n", "KillMode=process\nNice=5\n", 1)
	state := filepath.Join(clawHome, ".coderclaw")
	breaks := func() {
		if err := os.WriteFile(machineFile, []byte(broken), 0o644); err != nil {
			b.Fatal(err)
		}
		if err := os.Chmod(state, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	breaks()
	out, code := b.claw("doctor")
	b.refused(out, code, 1, "unit-key-drift", "state-dir-permissions")
	out, code = b.claw("doctor", "--repair", "--non-interactive")
	b.refused(out, code, 1, "run: sudo "+installed+" doctor --repair --non-interactive")
	if out, code := b.sudo("doctor", "--repair", "--non-interactive"); code != 0 {
		b.Errorf("repair: exit %d\n%s", code, out)
	}
	mended, err := os.ReadFile(machineFile)
	if err != nil || !strings.Contains(string(mended), "KillMode=mixed") || !strings.Contains(string(mended), "Nice=5") {
		b.Errorf("%v: %s", err, mended)
	}
	if info, err := os.Stat(state); err != nil || info.Mode().Perm() != 0o700 {
		b.Errorf("the state dir: %v, %v", info.Mode(), err)
	}
	b.well(b.claw("gateway", "status", "--require-rpc"))
	b.owners()
	if alien := strangers("/etc/systemd/system", 0); len(alien) > 0 {
		b.Errorf("not of root: %q", alien)
	}
	// What root will put back lies where claw cannot write it, nor read it.
	if journals, err := filepath.Glob("/var/lib/coderclaw/doctor/default/*/plan.json"); err != nil || len(journals) == 0 {
		b.Errorf("no journal: %v", err)
	}
	if alien := strangers("/var/lib/coderclaw", 0); len(alien) > 0 {
		b.Errorf("not of root: %q", alien)
	}
	if out, code := b.run("runuser", "-u", "claw", "--", "ls", "/var/lib/coderclaw/doctor"); code == 0 {
		b.Errorf("claw sees %s", out)
	}
	b.well(b.sudo("doctor", "undo", "--yes"))
	if now, err := os.ReadFile(machineFile); err != nil || string(now) != broken {
		b.Errorf("undo leaves %v\n%s", err, now)
	}
	b.well(b.root("doctor", "--system", "--repair", "--non-interactive"))
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

// takeOver: a unit of another program in the place of ours stays, or is replaced by
// force and can be given back.
func (b box) takeOver() {
	const theirs = "[Service]\nExecStart=/bin/sleep 1000\n"
	if err := os.WriteFile(machineFile, []byte(theirs), 0o644); err != nil {
		b.Fatal(err)
	}
	same := func() bool {
		text, err := os.ReadFile(machineFile)
		info, statErr := os.Stat(machineFile)
		return err == nil && statErr == nil && string(text) == theirs && info.Mode().Perm() == 0o644
	}
	out, code := b.sudo("gateway", "install", "--system")
	b.refused(out, code, 1, "was not written by coderclaw", "take it over with --force")
	if !same() {
		b.Error("the refusal changed the file")
	}
	if out := b.well(b.sudo("gateway", "install", "--system", "--force")); !strings.Contains(out, "to give it back: coderclaw doctor undo") {
		b.Errorf("install by force says:\n%s", out)
	}
	b.well(b.claw("gateway", "status", "--require-rpc"))
	b.well(b.sudo("doctor", "undo", "--yes"))
	if !same() {
		b.Error("the undo did not give the file back")
	}
	b.owners()
	b.run("systemctl", "stop", machineUnit)
	if err := os.Remove(machineFile); err != nil {
		b.Fatal(err)
	}
	b.must("systemctl", "daemon-reload")
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

// homeOfRoot is where the files of root would lie.
func homeOfRoot(t *testing.T) string {
	t.Helper()
	root, err := user.LookupId("0")
	if err != nil {
		t.Fatal(err)
	}
	return root.HomeDir
}
