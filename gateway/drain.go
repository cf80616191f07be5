package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// settleTimeout bounds how long the end waits for connections whose request has
// not arrived yet; clients that never say anything must not hold it up.
const settleTimeout = 3 * time.Second

// closeTimeout is how long a client may take to answer the closing of its
// connection: the successor starts only when nobody is left.
const closeTimeout = time.Second

// restartExpectedMs is what clients are told to expect before the successor answers.
const restartExpectedMs = 1500

// drain ends the gateway without losing an answer. The order is what matters:
// first nothing new is accepted (a supervisor still holds the socket, so new
// clients wait in its queue for the successor), then what was accepted is
// answered, and only then is anything closed.
func (g *Gateway) drain(cause error, served <-chan error, running int) {
	g.draining.Store(true)
	g.o.Log.Info("draining", "clients", g.hub.Count())
	deadline, cancel := context.WithTimeout(context.Background(), max(g.o.Drain, settleTimeout))
	defer cancel()
	for _, l := range g.o.Listeners {
		_ = l.Close() // our duplicate only; there is nothing to be done about a failure
	}
	for range running {
		<-served
	}
	g.server.SetKeepAlivesEnabled(false)
	settle, cancelSettle := context.WithTimeout(deadline, settleTimeout)
	g.conns.settled(settle)
	cancelSettle()

	event := protocol.ShutdownEvent{Reason: "gateway stopping"}
	if errors.Is(cause, ErrRestart) {
		expected := int64(restartExpectedMs)
		event = protocol.ShutdownEvent{Reason: "gateway restarting", RestartExpectedMs: &expected}
	}
	if err := g.hub.Broadcast("shutdown", event, rpc.Delivery{}); err != nil {
		g.o.Log.Error("shutdown event", "err", err)
	}
	if err := g.server.Shutdown(deadline); err != nil {
		g.o.Log.Warn("requests were cut off by the deadline", "err", err)
		_ = g.server.Close()
	}
	g.hub.CloseAll(protocol.CloseRestart, "service restart")
	kill := time.AfterFunc(closeTimeout, g.hub.Kill)
	defer kill.Stop()
	g.sessions.Wait()
}

// tracker counts the connections that somebody still waits on: those that have
// not sent a whole request yet or are being answered, and WebSockets that have
// not been greeted yet. It is safe for concurrent use.
type tracker struct {
	mu      sync.Mutex
	open    map[net.Conn]bool // in StateNew or StateActive
	greets  int               // WebSockets without their hello
	changed chan struct{}     // closed and replaced at each change that lowers a count
}

func newTracker() *tracker {
	return &tracker{open: map[net.Conn]bool{}, changed: make(chan struct{})}
}

// state is for http.Server.ConnState.
func (t *tracker) state(c net.Conn, s http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s == http.StateNew || s == http.StateActive {
		t.open[c] = true
		return
	}
	delete(t.open, c)
	t.signalLocked()
}

// greeting counts a WebSocket until the returned function is called, which may
// be done more than once.
func (t *tracker) greeting() (done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.greets++
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.greets--
		t.signalLocked()
	})
}

func (t *tracker) signalLocked() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// settled waits until nobody waits for an answer any more, or ctx ends.
func (t *tracker) settled(ctx context.Context) {
	for {
		t.mu.Lock()
		waiting, changed := len(t.open)+t.greets, t.changed
		t.mu.Unlock()
		if waiting == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
