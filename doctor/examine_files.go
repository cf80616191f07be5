package doctor

import (
	"fmt"
	"runtime"
	"time"

	"github.com/coderclaw/coderclaw/internal/logfile"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// files looks at permissions and owners, the logs, the disk and the clock.
func (e *examiner) files() {
	for _, f := range e.o.Files {
		e.file(f)
	}
	e.logs()
	e.space()
	e.clock()
}

func (e *examiner) file(f FileFact) {
	if f.Odd != "" {
		e.add(NotRegular, ViewConfig, Finding{Path: f.Path, Have: f.Odd, Want: "a file", Fix: "run: mv " + quote(f.Path) + " " + quote(f.Path+".away")})
		return
	}
	root := f.Code == RegistryMode || f.Code == UnitMode // those of the system may well be root's
	if f.UID >= 0 && e.o.Owner >= 0 && f.UID != e.o.Owner && !(root && f.UID == 0) && !e.has(StateDirOwner) {
		e.add(FileOwner, ViewConfig, Finding{Path: f.Path, Have: proctable.UserName(f.UID), Want: proctable.UserName(e.o.Owner), Fix: fmt.Sprintf("run: sudo chown -R %d %s", e.o.Owner, quote(f.Path))})
		return
	}
	if f.Code == "" || runtime.GOOS == "windows" {
		return
	}
	if open := f.open(); open != 0 {
		e.add(f.Code, ViewConfig, Finding{Path: f.Path, Have: mode(f.Mode), Want: mode(f.Mode &^ open)})
	}
}

func (e *examiner) logs() {
	l := e.o.Logs
	if l.Trouble != "" {
		e.add(LogUnwritable, ViewConfig, Finding{Path: l.Dir, Have: l.Trouble, Want: "a directory that can be written",
			Fix: "run: mkdir -p " + quote(l.Dir) + " && chmod u+rwx " + quote(l.Dir)})
	}
	budget := e.t.Profile.Limits.LogBudget
	if budget == 0 {
		budget = logfile.DefaultBudget
	}
	if l.Bytes > budget {
		e.add(LogBudget, ViewConfig, Finding{Path: l.Dir, Have: fmt.Sprint(l.Bytes), Want: fmt.Sprintf("at most %d", budget),
			Fix: "see what is large with: du -a " + quote(l.Dir) + " | sort -n | tail; then run: " + e.command("gateway restart")})
	}
}

// Bounds of the disk. Below the first a day of logs and sessions may not fit.
const (
	leastFree   = 200 << 20
	leastShare  = 20  // 1/20 of the disk
	leastInodes = 100 // 1/100 of them
)

func (e *examiner) space() {
	d := e.o.Space
	f := Finding{Path: e.t.Profile.StateDir, Key: d.Device, Have: fmt.Sprintf("%d bytes free of %d", d.Free, d.Total), Fix: "free some space; the largest of what coderclaw keeps is shown by: du -a " + quote(e.t.Profile.StateDir) + " | sort -n | tail"}
	switch {
	case d.Total == 0:
	case d.Free < leastFree:
		f.Want = fmt.Sprintf("at least %d bytes", leastFree)
		e.add(DiskLow, ViewMachine, f)
	case d.Free < d.Total/leastShare:
		f.Want = fmt.Sprintf("at least %d bytes", d.Total/leastShare)
		e.add(DiskTight, ViewMachine, f)
	}
	if d.Inodes > 0 && d.InodesFree < d.Inodes/leastInodes {
		e.add(InodesLow, ViewMachine, Finding{Path: e.t.Profile.StateDir, Key: d.Device, Have: fmt.Sprintf("%d inodes free of %d", d.InodesFree, d.Inodes), Want: fmt.Sprintf("at least %d", d.Inodes/leastInodes)})
	}
}

// skew is how far a file may lie in the future, as on a network file system.
const skew = 5 * time.Minute

// epoch is before any build of this program: an earlier clock is one that was
// never set.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (e *examiner) clock() {
	now := e.o.Now
	f := Finding{Path: e.o.Newest.Path, Have: e.o.Newest.Time.UTC().Format(time.RFC3339), Want: "not after " + now.UTC().Format(time.RFC3339), Fix: "set the clock; on a system with systemd run: sudo timedatectl set-ntp true"}
	switch {
	case now.IsZero():
	case now.Before(epoch):
		f.Path, f.Have, f.Want = "", now.UTC().Format(time.RFC3339), "after "+epoch.Format(time.RFC3339)
		e.add(ClockSkew, ViewMachine, f)
	case e.o.Newest.Time.After(now.Add(skew)):
		e.add(ClockSkew, ViewMachine, f)
	}
}
