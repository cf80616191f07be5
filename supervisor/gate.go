package supervisor

import (
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// gate is a listening unix socket whose clients can be made to wait in its queue.
type gate struct {
	*net.UnixListener
	came func(net.Conn) // told of each client before anybody else has it

	accepting sync.Mutex // held from the wait for a client until came was told of it

	mu     sync.Mutex
	opened chan struct{} // closed while the gate is open
}

func newGate(l *net.UnixListener, came func(net.Conn)) *gate {
	g := &gate{UnixListener: l, came: came, opened: make(chan struct{})}
	close(g.opened)
	return g
}

// Accept waits while the gate is shut.
func (g *gate) Accept() (net.Conn, error) {
	for {
		g.mu.Lock()
		opened := g.opened
		g.mu.Unlock()
		<-opened
		c, err := g.accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return c, err
		}
	}
}

func (g *gate) accept() (net.Conn, error) {
	g.accepting.Lock()
	defer g.accepting.Unlock()
	c, err := g.UnixListener.Accept()
	if err == nil {
		g.came(c)
	}
	return c, err
}

// shut has clients wait from now on. Of those that were let in before, came has
// been told when it returns.
func (g *gate) shut() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = make(chan struct{})
	if err := g.UnixListener.SetDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	g.accepting.Lock()
	defer g.accepting.Unlock()
	return nil
}

// open lets them in again.
func (g *gate) open() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
	return g.UnixListener.SetDeadline(time.Time{})
}

// traffic counts the connections on which something is asked or answered.
type traffic struct {
	mu    sync.Mutex // guards what follows
	busy  map[net.Conn]bool
	aside int           // requests that do not count
	calm  chan struct{} // closed when none is left that counts; nil when nobody wants to know
}

// saw is the ConnState of an http.Server.
func (t *traffic) saw(c net.Conn, s http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s == http.StateNew || s == http.StateActive {
		if t.busy == nil {
			t.busy = map[net.Conn]bool{}
		}
		t.busy[c] = true
		return
	}
	delete(t.busy, c)
	t.checkLocked()
}

// leaveOut has the request of the caller not count until the function that it returns is called.
func (t *traffic) leaveOut() (back func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aside++
	t.checkLocked()
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.aside--
	}
}

func (t *traffic) checkLocked() {
	if t.calm != nil && len(t.busy) <= t.aside {
		close(t.calm)
		t.calm = nil
	}
}

// settled returns a channel that is closed when nothing is left that counts. It is
// for one caller at a time.
func (t *traffic) settled() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	calm := make(chan struct{})
	t.calm = calm
	t.checkLocked()
	return calm
}
