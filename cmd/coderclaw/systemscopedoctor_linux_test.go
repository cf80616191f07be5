package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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
