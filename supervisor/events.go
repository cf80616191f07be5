package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// keptEvents is how many transitions can be read again; whoever falls further
// behind sees a gap in the numbers.
const keptEvents = 1000

// events are the latest transitions of all instances, in order. It is safe for
// concurrent use.
type events struct {
	mu   sync.Mutex // guards what follows
	list []control.Event
	last map[string]instance.State
	seq  int64
	wake chan struct{} // closed at the next event; nil when nobody waits for that
}

func newEvents() *events {
	return &events{last: map[string]instance.State{}}
}

// add notes the state of a profile. The same state with another reason is an event as well.
func (e *events) add(profile string, s instance.Snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	from, known := e.last[profile]
	if !known {
		from = instance.Stopped
	}
	if n := len(e.list); n > 0 && e.list[n-1].Profile == profile && e.list[n-1].To == s.State && e.list[n-1].Reason == s.Reason {
		return // a detail such as the time of the next try
	}
	e.seq++
	e.last[profile] = s.State
	e.list = append(e.list, control.Event{Seq: e.seq, At: time.Now(), Profile: profile, From: from, To: s.State, Reason: s.Reason, PID: s.PID})
	if len(e.list) > 2*keptEvents {
		e.list = append([]control.Event(nil), e.list[len(e.list)-keptEvents:]...)
	}
	if e.wake != nil {
		close(e.wake)
		e.wake = nil
	}
}

// after returns the events with higher numbers, and what is closed when there are more.
func (e *events) after(seq int64) ([]control.Event, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := len(e.list)
	for i > 0 && e.list[i-1].Seq > seq {
		i--
	}
	if e.wake == nil {
		e.wake = make(chan struct{})
	}
	return append([]control.Event(nil), e.list[i:]...), e.wake
}

// stream calls fn with every event after seq, until fn fails or ctx ends; without
// follow it ends with the events that there are.
func (e *events) stream(ctx context.Context, seq int64, follow bool, fn func([]control.Event) error) error {
	for {
		list, wake := e.after(seq)
		if len(list) > 0 {
			seq = list[len(list)-1].Seq
			if err := fn(list); err != nil {
				return err
			}
			continue
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		}
	}
}
