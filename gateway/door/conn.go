package door

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// stage is what a connection is waited on for.
type stage int

const (
	arriving  stage = iota // a request is to come, or has come in part
	answering              // the request is here
	greeting               // a WebSocket whose client has not said who it is
	spent                  // nothing is owed to it: between two requests, or refused
	known                  // a client that was let in
)

// Conn is an accepted connection.
type Conn struct {
	net.Conn
	door *Door
	pace pace

	once   sync.Once
	closed chan struct{} // by Close

	// Door.mu guards these.
	stage stage
	since time.Time     // when the stage began
	place *list.Element // among the strangers; nil for others and once it is closed
	gone  bool
}

// Close ends the connection at once. It may be called more than once.
func (c *Conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		close(c.closed)
		c.door.mu.Lock()
		c.gone = true
		c.door.total--
		c.leaveStrangersLocked()
		c.door.signalLocked()
		c.door.mu.Unlock()
		err = c.Conn.Close()
	})
	return err
}

func (c *Conn) leaveStrangersLocked() {
	if c.place != nil {
		c.door.strangers.Remove(c.place)
		c.place = nil
	}
}

// CloseWrite tells the peer that nothing more comes, if the connection can.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// enter begins a stage.
func (c *Conn) enter(s stage) {
	c.door.mu.Lock()
	defer c.door.mu.Unlock()
	if c.gone || c.stage == s {
		return
	}
	c.stage, c.since = s, time.Now()
	switch {
	case s == known:
		c.leaveStrangersLocked()
	case c.place != nil:
		c.door.strangers.MoveToBack(c.place)
	}
	c.door.signalLocked()
}

// Answering notes that a whole request is here.
func (c *Conn) Answering() { c.enter(answering) }

// Known notes that the client was let in: it is no stranger any more.
func (c *Conn) Known() {
	c.enter(known)
	c.pace.limit.CompareAndSwap(maxStrange, maxPadding)
}

// Refused notes that the client was not let in: nothing more is owed to it.
func (c *Conn) Refused() { c.enter(spent) }

// State is for http.Server.ConnState.
func (d *Door) State(n net.Conn, s http.ConnState) {
	c := of(n)
	if c == nil {
		return
	}
	switch s {
	case http.StateActive:
		c.enter(arriving) // no new stage for the first request
	case http.StateIdle:
		c.enter(spent)
	case http.StateHijacked:
		c.enter(greeting)
	}
}

// of finds the connection below TLS.
func of(n net.Conn) *Conn {
	if secure, ok := n.(interface{ NetConn() net.Conn }); ok {
		n = secure.NetConn()
	}
	c, _ := n.(*Conn)
	return c
}

type key struct{}

// Remember is for http.Server.ConnContext.
func (d *Door) Remember(ctx context.Context, n net.Conn) context.Context {
	return context.WithValue(ctx, key{}, of(n))
}

// From is the connection that a request came on.
func From(r *http.Request) *Conn {
	c, _ := r.Context().Value(key{}).(*Conn)
	return c
}
