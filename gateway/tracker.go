package gateway

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// arrival is how long after its connection was made a client may take to send a
// request that the end of the gateway waits for. Who has said nothing, or only
// half of something, for so long does not hold up a restart.
const arrival = time.Second

// tracker knows the connections that somebody still waits on: those whose
// request is on its way or being answered, and WebSockets that have not been
// greeted yet. It is safe for concurrent use.
type tracker struct {
	mu      sync.Mutex
	open    map[net.Conn]*awaited // in StateNew or StateActive
	greets  int                   // WebSockets without their hello
	changed chan struct{}         // closed and replaced at each change that lowers a count
}

// awaited is a connection that a request may come on.
type awaited struct {
	since     time.Time // when the wait for the request began
	answering bool      // the request is here
}

func newTracker() *tracker {
	return &tracker{open: map[net.Conn]*awaited{}, changed: make(chan struct{})}
}

// state is for http.Server.ConnState.
func (t *tracker) state(c net.Conn, s http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch s {
	case http.StateNew:
		t.open[c] = &awaited{since: time.Now()}
	case http.StateActive:
		if t.open[c] == nil { // after an idle time
			t.open[c] = &awaited{since: time.Now()}
		}
	default:
		delete(t.open, c)
		t.signalLocked()
	}
}

type connKey struct{}

// remember is for http.Server.ConnContext.
func (t *tracker) remember(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// answering notes that the whole request is here.
func (t *tracker) answering(r *http.Request) {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.open[c]; a != nil {
		a.answering = true
	}
}

// maxGreets bounds the connections that have not said who they are.
const maxGreets = 1024

// greeting counts a WebSocket until the returned function is called, which may
// be done more than once; false when there are too many.
func (t *tracker) greeting() (done func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.greets >= maxGreets {
		return nil, false
	}
	t.greets++
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.greets--
		t.signalLocked()
	}), true
}

func (t *tracker) signalLocked() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// settled waits until every request that has come is answered and none is on its
// way, or until ctx ends; then it closes the connections on which nothing has come.
func (t *tracker) settled(ctx context.Context) {
	begin := time.Now()
	for {
		late, changed := t.waiting(begin)
		if late.IsZero() {
			break
		}
		timer := time.NewTimer(time.Until(late))
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			break
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for c, a := range t.open {
		if !a.answering {
			_ = c.Close() // the server takes note
		}
	}
}

// waiting tells until when there is something to wait for; zero when there is
// nothing. WebSockets that began their greeting before the drain have arrival from then.
func (t *tracker) waiting(begin time.Time) (until time.Time, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, a := range t.open {
		late := a.since.Add(arrival)
		if a.answering {
			late = now.Add(time.Hour) // the answer, or the end of ctx, comes first
		}
		if late.After(until) && late.After(now) {
			until = late
		}
	}
	if late := begin.Add(arrival); t.greets > 0 && late.After(until) && late.After(now) {
		until = late
	}
	return until, t.changed
}
