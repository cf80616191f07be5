package doctor

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/internal/swapfile"
	"github.com/coderclaw/coderclaw/servicegen"
)

// A service of the machine runs as an ordinary user, who owns its state dir, while
// root owns its unit, and the journals by which a repair of it is put back: from one
// that the user could write, root would write whatever the user likes.

// runtimeUnits is where a manager of the machine finds units that last until a reboot.
const runtimeUnits = "/run/systemd/system"

// ofMachine tells whether a path is root's to change, for a service of the machine.
func (t Target) ofMachine(path string) bool {
	if t.AsRoot == nil || t.Unit.Scope != servicegen.ScopeSystem || t.Unit.Path == "" {
		return false
	}
	for _, dir := range []string{filepath.Dir(t.Unit.Path), runtimeUnits} {
		if rest, ok := strings.CutPrefix(filepath.Clean(path), dir+"/"); ok && rest != "" {
			return true
		}
	}
	return false
}

// keeping runs what reads or writes journals, with the rights for where they lie.
func (t Target) keeping(do func() error) error {
	if t.AsRoot == nil || t.JournalDir == "" {
		return do()
	}
	return t.AsRoot(do)
}

// journalIDs are those of the journals of t, sorted, the oldest first.
func (t Target) journalIDs() (ids []string) {
	_ = t.keeping(func() error { ids = journalIDs(journalDir(t)); return nil }) // what cannot be listed is not there
	return ids
}

// newID is that of the next journal of t.
func (t Target) newID(now time.Time) (id string) {
	_ = t.keeping(func() error { id = newID(journalDir(t), now); return nil })
	return id
}

// change makes one change with the rights that its path takes.
func (t Target) change(c swapfile.Change) error {
	if t.ofMachine(c.Path) {
		return t.AsRoot(c.Do)
	}
	return c.Do()
}

// settle ends one change that was interrupted, with the rights that its path takes.
func (t Target) settle(c swapfile.Change) (kept string, err error) {
	if !t.ofMachine(c.Path) {
		return c.Settle()
	}
	err = t.AsRoot(func() error {
		kept, err = c.Settle()
		return err
	})
	return kept, err
}
