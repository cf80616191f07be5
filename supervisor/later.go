package supervisor

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// keptRestarts is how many results of restarts can be read later.
const keptRestarts = 64

// later keeps the results of restarts whose callers did not wait: what runs below
// a gateway does not live to hear how that gateway's restart went. It is safe for
// concurrent use.
type later struct {
	running sync.WaitGroup

	mu   sync.Mutex // guards what follows
	list []control.Restart
}

// begin carries out do beside the caller and returns the id of its result.
func (l *later) begin(profile string, do func() error) string {
	id := rand.Text()
	l.mu.Lock()
	l.list = append(l.list, control.Restart{ID: id, Profile: profile, Asked: time.Now()})
	if len(l.list) > keptRestarts {
		l.list = l.list[1:]
	}
	l.mu.Unlock()
	l.running.Go(func() {
		err := do()
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := range l.list {
			if l.list[i].ID != id {
				continue
			}
			l.list[i].Done, l.list[i].OK, l.list[i].Ended = true, err == nil, time.Now()
			if err != nil {
				l.list[i].Error, l.list[i].Code = err.Error(), int(exitcode.Of(err))
			}
		}
	})
	return id
}

// busy tells whether a restart is under way.
func (l *later) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.list, func(r control.Restart) bool { return !r.Done })
}

func (l *later) get(id string) (control.Restart, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.list {
		if r.ID == id {
			return r, true
		}
	}
	return control.Restart{}, false
}
