// Package door owns the connections that the gateway accepts: how many there may be,
// which of them nobody knows yet and how long those may be waited for, and how fast
// anybody may send what is no content. It knows no method and no credential.
package door

import (
	"container/list"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Limits bounds what is open at once.
type Limits struct {
	Strangers int // connections whose client has not said who it is
	Total     int // all connections
}

const (
	maxStrangers = 1024
	minReserve   = 64 // files for everything but clients: state, logs, tools, pipes
)

// LimitsFor shares out the files that the process may have open: an eighth is kept for
// everything but clients, and of the rest a quarter, or maxStrangers, is for strangers, so that
// they can keep out neither each other for long nor a client that was let in.
func LimitsFor(files int) Limits {
	total := max(files-max(minReserve, files/8), 4)
	return Limits{Strangers: min(maxStrangers, total/4), Total: total}
}

// patience is how long a stranger may take to its next step although there are too many.
const patience = 250 * time.Millisecond

// Door is the connections of one gateway. It is safe for concurrent use.
type Door struct {
	limits Limits
	log    *slog.Logger

	mu        sync.Mutex    // guards what follows and the fields of Conn that say so
	total     int           // of all connections
	strangers *list.List    // of *Conn; the one whose last step is longest ago first
	changed   chan struct{} // closed at the next step of any connection; nil if nobody waits for one
	crowd     notice
	full      notice
	flood     notice
}

// New returns a door with nobody in it.
func New(limits Limits, log *slog.Logger) *Door {
	return &Door{limits: limits, log: log, strangers: list.New()}
}

// Count is the number of all connections, and of the strangers among them.
func (d *Door) Count() (all, strangers int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.total, d.strangers.Len()
}

// Listen returns a listener that accepts the connections of l by the limits. When there are
// too many strangers it closes the one that has been waited for longest, once its patience is over.
func (d *Door) Listen(l net.Listener) net.Listener { return listener{l, d} }

type listener struct {
	net.Listener
	door *Door
}

// Accept waits for a connection that may come in. A lack of files is a temporary error,
// after which the server waits before it tries again.
func (l listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			if outOfFiles(err) {
				l.door.makeRoom(err)
			}
			return nil, err
		}
		c := &Conn{Conn: raw, door: l.door, closed: make(chan struct{})}
		if l.door.admit(c) {
			return c, nil
		}
		_ = raw.Close() // the client sees the end, whatever comes of this
	}
}

// admit counts c as a stranger. It may have to wait for another to go; false when all
// places belong to clients that are known.
func (d *Door) admit(c *Conn) bool {
	for {
		oldest, wait, ok := d.tryAdmit(c)
		switch {
		case ok:
			return true
		case oldest == nil:
			return false
		case wait <= 0:
			_ = oldest.Close() // it may be closing already; either way there is a place now
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-d.step():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// tryAdmit admits c, or names the stranger that has to go first and how long it may still stay.
func (d *Door) tryAdmit(c *Conn) (oldest *Conn, wait time.Duration, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	full := d.total >= d.limits.Total
	if !full && d.strangers.Len() < d.limits.Strangers {
		d.total++
		c.since = time.Now()
		c.place = d.strangers.PushBack(c)
		return nil, 0, true
	}
	front := d.strangers.Front()
	if front == nil {
		d.full.say(d.log, "there are as many clients as files may be open; more are refused", "clients", d.total)
		return nil, 0, false
	}
	oldest = front.Value.(*Conn)
	if !full {
		wait = patience - time.Since(oldest.since)
	}
	if wait <= 0 {
		d.crowd.say(d.log, "too many connections that have not said who they are; the one that has been waited for longest is closed for each that comes", "limit", d.limits.Strangers)
	}
	return oldest, wait, false
}

// makeRoom closes the stranger that has been waited for longest, as no file can be opened.
func (d *Door) makeRoom(err error) {
	d.mu.Lock()
	d.full.say(d.log, "no connection can be accepted for lack of files; raise the limit of open files (LimitNOFILE, ulimit -n)", "clients", d.total, "err", err)
	front := d.strangers.Front()
	d.mu.Unlock()
	if front != nil {
		_ = front.Value.(*Conn).Close() // see admit
	}
}

// cutOff has the log tell of a client that sends no content.
func (d *Door) cutOff() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flood.say(d.log, "a client that floods the gateway with pings or fragments of next to nothing is cut off")
}

// step returns a channel that is closed at the next step of any connection.
func (d *Door) step() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stepLocked()
}

func (d *Door) stepLocked() <-chan struct{} {
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return d.changed
}

func (d *Door) signalLocked() {
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

// notice is a line for the log that a flood must not repeat.
type notice struct {
	next  time.Time // before it, occasions are only counted
	times int
}

const noticeEvery = time.Minute

func (n *notice) say(log *slog.Logger, text string, args ...any) {
	n.times++
	if now := time.Now(); !now.Before(n.next) {
		log.Warn(text, append(args, "times", n.times)...)
		n.next, n.times = now.Add(noticeEvery), 0
	}
}
