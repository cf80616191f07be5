package supervisor

import (
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/ledger"
)

// book writes down the children of all units. Hundreds may start at once, and their
// records are to take no processor from starts that are under way. It is safe for
// concurrent use.
type book struct {
	starts     *pending
	background *sync.WaitGroup // what is being written

	mu      sync.Mutex // guards what follows
	waiting []func()
	writing bool // somebody takes them from waiting
}

// Each record that waits for the disk costs a thread. One whose disk hangs keeps
// others waiting only for a moment, and so do starts that have no end.
const (
	recorders  = 2
	recordWait = 500 * time.Millisecond
)

// add has a record written soon.
func (b *book) add(record func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, record)
	if !b.writing {
		b.writing = true
		b.background.Go(b.write)
	}
}

func (b *book) next() func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.waiting, b.writing = nil, false
		return nil
	}
	record := b.waiting[0]
	b.waiting = b.waiting[1:]
	return record
}

// write writes until nothing waits.
func (b *book) write() {
	timer := time.NewTimer(recordWait)
	defer timer.Stop()
	select {
	case <-b.starts.none():
	case <-timer.C:
	}
	turns := make(chan struct{}, recorders)
	for record := b.next(); record != nil; record = b.next() {
		done := func() {}
		timer.Reset(recordWait)
		select {
		case turns <- struct{}{}:
			done = func() { <-turns }
		case <-timer.C:
		}
		b.background.Go(func() {
			record()
			done()
		})
	}
}

// record writes the child down, for the supervisor that comes after one that is
// killed. What cannot be written down runs all the same.
func (p *treeProcess) record() {
	e, err := ledger.Describe(p.PID())
	if errors.Is(err, fs.ErrNotExist) {
		return // it has ended already
	}
	if err == nil {
		e.Profile, e.Instance = p.u.profile.Name, p.instance()
		if p.leaf != nil {
			e.Cgroup = p.leaf.Dir()
		}
		err = p.u.ledger.Begin(e)
	}
	if err != nil {
		p.t.s.o.Log.Warn("the start of a gateway cannot be written down; were this supervisor killed, the next would not know of it", "profile", p.u.profile.Name, "err", err)
	}
}
