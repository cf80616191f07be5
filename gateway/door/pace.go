package door

import (
	"sync/atomic"
	"time"
)

// maxPadding is how many bytes a second a client may send that are no content: heads of
// frames, pings, empty fragments. As much again as there is content is free. Five thousand
// pings a second are more than anybody needs, and less than what one client could take
// of the processor.
const maxPadding = 32 << 10

// pace slows down a connection whose client sends next to no content.
type pace struct {
	on      atomic.Bool
	padding atomic.Int64 // in this second
	began   atomic.Int64 // the second, in Unix nanoseconds
}

// Pace begins to hold the client to maxPadding. Carried is to be called from then on.
func (c *Conn) Pace() {
	c.pace.began.Store(time.Now().UnixNano())
	c.pace.on.Store(true)
}

// Carried notes that n bytes of what was read are content.
func (c *Conn) Carried(n int) {
	if c.pace.padding.Add(-2*int64(n)) < 0 {
		c.pace.padding.Store(0) // content is no credit for later
	}
}

// Read reads, and then waits if too much has come that is no content.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.pace.on.Load() && c.pace.padding.Add(int64(n)) > maxPadding {
		c.rest()
	}
	return n, err
}

// rest waits for the end of the second.
func (c *Conn) rest() {
	began := time.Unix(0, c.pace.began.Load())
	if left := time.Second - time.Since(began); left > 0 {
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-c.closed:
		}
		timer.Stop()
	}
	c.pace.padding.Store(0)
	c.pace.began.Store(time.Now().UnixNano())
}
