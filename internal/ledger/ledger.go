// Package ledger owns the record on disk of what a supervisor has started for one
// profile, and the end of what an earlier supervisor left behind. A process is
// ended only when everything that was written down about it still holds: this
// boot, the pid, the start time, the program. Nothing is found by name or port.
//
// The record holds for processes that this program starts and their groups. What
// those start elsewhere is the business of control groups and of the reaper.
package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/prochandle"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// Entry is one process that was started.
type Entry struct {
	Profile   string    `json:"profile"`
	Instance  string    `json:"instance"` // random, one for each start; the key of the entry
	PID       int       `json:"pid"`
	StartTime uint64    `json:"startTime"` // as in proctable
	Exe       string    `json:"exe"`       // the file that it runs, symlinks followed
	BootID    string    `json:"bootId"`    // of the system at the time
	PGID      int       `json:"pgid"`      // its process group; 0 where there are none
	Cgroup    string    `json:"cgroup"`    // directory of its control group, "" if it has none of its own
	StartedAt time.Time `json:"startedAt"`
}

// Describe fills in what the system says of a process that was just started. The
// error is fs.ErrNotExist when it has ended already.
func Describe(pid int) (Entry, error) {
	boot, err := bootID()
	if err != nil {
		return Entry{}, fmt.Errorf("boot id: %w", err)
	}
	start, err := proctable.StartTime(pid)
	if err != nil {
		return Entry{}, err
	}
	exe := proctable.Program(pid)
	if exe == "" { // a zombie shows none
		return Entry{}, fmt.Errorf("the program of pid %d: %w", pid, fs.ErrNotExist)
	}
	return Entry{PID: pid, StartTime: start, Exe: exe, BootID: boot, PGID: groupOf(pid), StartedAt: time.Now().Round(time.Millisecond)}, nil
}

// matches tells whether the process of e is still there, as it was written down.
func (e Entry) matches(boot string) bool {
	if e.BootID != boot || !proctable.Alive(e.PID, e.StartTime) {
		return false
	}
	return proctable.Program(e.PID) == e.Exe && proctable.Alive(e.PID, e.StartTime) // the same path also when the file was replaced since
}

// valid tells whether e can be of a process that was started.
func (e Entry) valid() bool {
	return e.Instance != "" && e.PID > 1 && e.StartTime > 0 && e.Exe != "" && e.BootID != "" && e.PGID >= 0
}

// Ledger is an open record. Methods are safe for concurrent use. Two ledgers of
// one file at a time lose entries; the supervisor's lock on the profile keeps them apart.
type Ledger struct {
	path   string
	damage error

	mu      sync.Mutex // guards what follows and the file
	entries []Entry
	settled map[string]bool // instances of entries that go with the next one
	size    int             // of the file
}

// maxSize is far above what entries of one profile can need, in bytes.
const maxSize = 1 << 20

// BadSuffix ends the name under which a file that cannot be read is kept.
const BadSuffix = ".bad"

// Open reads the record at path; one that does not exist is empty. One whose
// content makes no sense counts as empty too: it is kept under another name, and
// Damage tells of it.
func Open(path string) (*Ledger, error) {
	l := &Ledger{path: path}
	raw, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l.size = len(raw)
	if l.entries, err = parse(raw); err == nil {
		return l, nil
	}
	l.entries, l.size = nil, 0
	if rerr := os.Rename(path, path+BadSuffix); rerr != nil {
		return nil, fmt.Errorf("ledger %s: %w; and it cannot be put aside: %w", path, err, rerr)
	}
	l.damage = fmt.Errorf("the record %s of what was started cannot be read: %w; it is kept as %s, and what it named is not looked for", path, err, path+BadSuffix)
	return l, nil
}

// Damage says what was wrong with the file that Open found, nil if nothing was.
func (l *Ledger) Damage() error { return l.damage }

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

// file is the form on disk.
type file struct {
	Version int     `json:"version"`
	Entries []Entry `json:"entries"`
}

const version = 1

func parse(raw []byte) ([]Entry, error) {
	if len(raw) > maxSize {
		return nil, fmt.Errorf("it is larger than %d bytes", maxSize)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil // the system went down while it was written; no process has outlived that
	}
	var f file
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, err
	}
	if f.Version != version {
		return nil, fmt.Errorf("it has version %d, and this program reads version %d", f.Version, version)
	}
	for i, e := range f.Entries {
		if !e.valid() {
			return nil, fmt.Errorf("entry %d is incomplete", i)
		}
		if slices.ContainsFunc(f.Entries[:i], func(o Entry) bool { return o.Instance == e.Instance }) {
			return nil, fmt.Errorf("entry %d has the instance of another", i)
		}
	}
	return f.Entries, nil
}

// Entries are those of the record, in the order in which they were added.
func (l *Ledger) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

// Add writes e down, in the place of an entry of the same instance. When that
// fails, e is in the record nevertheless and goes to the file with the next change.
func (l *Ledger) Add(e Entry) error {
	if !e.valid() {
		return fmt.Errorf("ledger: an entry lacks what it would be recognised by: %+v", e)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removeLocked(e.Instance)
	l.entries = append(l.entries, e)
	return l.writeLocked()
}

// maxUnsettled bounds the entries of processes that have ended, while what they have
// started has perhaps not.
const maxUnsettled = 16

// Begin writes e down and takes out what is settled.
func (l *Ledger) Begin(e Entry) error {
	if !e.valid() {
		return fmt.Errorf("ledger: an entry lacks what it would be recognised by: %+v", e)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled[e.Instance] {
		return nil // it was over before it was written down
	}
	l.entries = slices.DeleteFunc(l.entries, func(o Entry) bool { return l.settled[o.Instance] || o.Instance == e.Instance })
	l.settled = nil
	l.entries = append(l.entries[max(0, len(l.entries)-maxUnsettled):], e)
	return l.writeLocked()
}

// Settle says that the process of an entry has ended, and all that it has started.
// That is not worth a write of its own: an entry too many matches nobody.
func (l *Ledger) Settle(instance string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled == nil {
		l.settled = map[string]bool{}
	}
	l.settled[instance] = true
}

// Clear empties the record: everything that it names has ended. The file stays for
// the next start; none is made for that.
func (l *Ledger) Clear() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries, l.settled = nil, nil
	if l.size == 0 {
		return nil
	}
	if err := l.writeLocked(); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // the directory has gone
}

// Remove takes out the entries of these instances, whose processes have ended.
func (l *Ledger) Remove(instances ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.removeLocked(instances...) {
		return nil
	}
	return l.writeLocked()
}

func (l *Ledger) removeLocked(instances ...string) (changed bool) {
	before := len(l.entries)
	l.entries = slices.DeleteFunc(l.entries, func(e Entry) bool { return slices.Contains(instances, e.Instance) })
	return len(l.entries) != before
}

// Survivors are the entries whose processes are still there and match fully. Call
// it before anything is started: what the caller has started matches as well.
func (l *Ledger) Survivors() ([]Entry, error) {
	boot, err := bootID()
	if err != nil {
		return nil, fmt.Errorf("boot id: %w", err)
	}
	return slices.DeleteFunc(l.Entries(), func(e Entry) bool { return !e.matches(boot) }), nil
}

// End kills the survivors, and the groups of those that lead one, and waits for
// the end of the former until ctx ends. Each is looked at once more when it
// cannot turn into another any more. It returns those that are left, with the
// reasons; entries stay in the record, and Remove takes out those that ended.
func (l *Ledger) End(ctx context.Context, survivors []Entry) ([]Entry, error) {
	boot, err := bootID()
	if err != nil {
		return survivors, fmt.Errorf("boot id: %w", err)
	}
	var left []Entry
	var errs []error
	held := map[int]*prochandle.Handle{} // by index of the survivor
	fail := func(e Entry, err error) {
		left = append(left, e)
		errs = append(errs, fmt.Errorf("profile %s: instance %s: %w", e.Profile, e.Instance, err))
	}
	for i, e := range survivors {
		h, err := kill(e, boot)
		if err != nil {
			fail(e, err)
		}
		if h != nil {
			held[i] = h
		}
	}
	for i, e := range survivors {
		h, ok := held[i]
		if !ok {
			continue
		}
		if err := h.Wait(ctx); err != nil {
			fail(e, err)
		}
		_ = h.Close() // nothing was written through it
	}
	return left, errors.Join(errs...)
}

// kill returns a handle on the process that it has killed, nil if there was none to kill.
func kill(e Entry, boot string) (*prochandle.Handle, error) {
	if !e.valid() || e.BootID != boot {
		return nil, nil
	}
	h, err := prochandle.Open(e.PID, e.StartTime)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !e.matches(boot) {
		return nil, h.Close()
	}
	if e.PGID == e.PID {
		err = h.KillGroup()
	}
	if err := errors.Join(err, h.Kill()); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}
