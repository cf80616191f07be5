package door

import (
	"sync/atomic"
	"time"
)

// What a client may send that is no content, heads of frames, pings, empty fragments,
// without being slowed down. As much again as there is content is free. Two thousand pings
// a second are more than anybody needs, and each costs an answer. Who has not said yet who
// it is needs none.
const (
	maxPadding = 12 << 10 // bytes in a second
	maxStrange = 1 << 10  // the same of one that was not let in
	restTime   = 250 * time.Millisecond
	maxRests   = 4 // in a row; a client that has not stopped by then is cut off
)

// pace slows down a connection whose client sends next to no content. One goroutine at a
// time reads, which may change; atomics hand over what it knows.
type pace struct {
	limit   atomic.Int64 // bytes in a second; 0 for none
	padding atomic.Int64 // since began
	began   atomic.Int64 // Unix nanoseconds
	rests   atomic.Int32
}

// Pace begins to hold the client to maxStrange, and to maxPadding from Known on. Carried
// is to be told of what comes from then on.
func (c *Conn) Pace() {
	c.pace.began.Store(time.Now().UnixNano())
	c.pace.limit.Store(maxStrange)
}

// Carried notes what came: so many bytes of padding, and of content. It waits if too much has
// come that is no content.
func (c *Conn) Carried(padding, content int) {
	switch total, limit := c.pace.padding.Add(int64(padding-content)), c.pace.limit.Load(); {
	case total < 0:
		c.pace.padding.Store(0) // content is no credit for later
	case total > limit && limit > 0:
		c.rest()
	}
}

// rest lets the client wait if that much has come within a second, and cuts off who does not
// stop for it.
func (c *Conn) rest() {
	fast := time.Since(time.Unix(0, c.pace.began.Load())) < time.Second
	switch {
	case !fast:
		c.pace.rests.Store(0)
	case c.pace.rests.Add(1) > maxRests:
		c.door.cutOff()
		_ = c.Close() // it may be closing already
	default:
		timer := time.NewTimer(restTime)
		select {
		case <-timer.C:
		case <-c.closed:
		}
		timer.Stop()
	}
	c.pace.padding.Store(0)
	c.pace.began.Store(time.Now().UnixNano())
}
