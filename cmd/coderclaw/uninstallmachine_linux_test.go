package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// TestUninstallOfTheMachinesService: the account of a service of the machine may not
// remove it, root may, and what lies in the account's home goes by the account's rights.
func TestUninstallOfTheMachinesService(t *testing.T) {
	t.Parallel()
	if !systemdtest.InsideMachine(t) {
		return
	}
	b := newBox(t)
	b.well(b.sudo("gateway", "install", "--system"))
	const line = "sudo " + installed + " gateway "
	out, code := b.claw("uninstall", "--all", "--yes")
	b.refused(out, code, 1, "belongs to the machine, so root manages it", line+"uninstall --system")
	out, code = b.claw("reset", "--scope", "full", "--yes")
	b.refused(out, code, 1, "belongs to the machine, so root manages it", line+"stop --system")
	b.well(b.claw("gateway", "status", "--require-rpc"))

	b.well(b.sudo("reset", "--system", "--scope", "config+creds+sessions", "--yes"))
	if got := b.show("ActiveState,LoadState"); got != "LoadState=loaded\nActiveState=inactive\n" {
		t.Errorf("after a reset: %s", got)
	}
	if strange := strangers(clawHome, b.uid); len(strange) > 0 {
		t.Errorf("a reset by root leaves files that are not claw's: %v", strange)
	}
	b.well(b.claw("setup"))
	b.well(b.sudo("gateway", "start", "--system"))

	b.well(b.sudo("uninstall", "--system", "--all", "--yes"))
	if left := b.traces(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	for _, path := range []string{filepath.Join(clawHome, ".coderclaw"), filepath.Join(clawHome, ".config", "coderclaw")} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
