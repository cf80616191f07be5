package rpc

import (
	"context"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// queue is what waits to be written to one client. Session.mu guards it.
type queue struct {
	waiting []*message
	bytes   int64 // of what waits and of what is being written
}

// maxUnread is how much may wait for a client that goes on asking: beyond it, it is not read
// from until it has taken some. More than any answer is, far less than what events may fill.
const maxUnread = 4 << 20

// ending is how a connection is to end.
type ending struct {
	code   int
	reason string
}

// enqueue queues a message. A client with too much waiting loses the message if drop
// is set, else the connection.
func (s *Session) enqueue(m *message, drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending != nil:
	case s.out.bytes <= protocol.MaxBufferedBytes:
		m.hold()
		s.out.waiting = append(s.out.waiting, m)
		s.out.bytes += m.size()
		s.held.Add(m.size())
		s.wakeLocked()
	case !drop:
		s.shedLocked()
	}
}

// offer queues a frame that is for this client only.
func (s *Session) offer(frame []byte) {
	m := s.hub.newMessage(frame)
	s.enqueue(m, false)
	m.release()
	s.hub.relieve()
}

// slowConsumer is why a client is closed that does not read.
const slowConsumer = "slow consumer"

// shedLocked ends the connection and forgets what waits for it, as it would not be read.
func (s *Session) shedLocked() {
	for _, m := range s.out.waiting {
		s.forgetLocked(m)
	}
	s.out.waiting = nil
	s.endLocked(protocol.ClosePolicy, s.hub.explain(slowConsumer, ""))
}

func (s *Session) forgetLocked(m *message) {
	s.out.bytes -= m.size()
	s.held.Add(-m.size())
	m.release()
	if s.out.bytes <= maxUnread {
		select {
		case s.relief <- struct{}{}:
		default:
		}
	}
}

// caughtUp waits until the client has taken what it was sent but for maxUnread; false when
// ctx ended first.
func (s *Session) caughtUp(ctx context.Context) bool {
	for {
		s.mu.Lock()
		fine := s.out.bytes <= maxUnread || s.ending != nil
		s.mu.Unlock()
		if fine {
			return true
		}
		select {
		case <-s.relief:
		case <-ctx.Done():
			return false
		}
	}
}

// endLocked lets the writer end the connection once what is queued has been written.
func (s *Session) endLocked(code int, reason string) {
	if s.ending != nil {
		return
	}
	s.ending = &ending{code, protocol.Reason(reason)}
	close(s.finished)
	s.wakeLocked()
	// The writer may be stuck with a client that does not read.
	s.patience = time.AfterFunc(s.hub.grace, s.cut)
}

// wakeLocked starts the writer if it does not run.
func (s *Session) wakeLocked() {
	if !s.writing {
		s.writing = true
		s.writer.Go(s.write)
	}
}

// next takes what is to be written next; without any, it tells how the connection is
// to end, nil if it is not.
func (s *Session) next() (*message, *ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.out.waiting) == 0 {
		s.out.waiting = nil // its array may have been large
		return nil, s.ending
	}
	m := s.out.waiting[0]
	s.out.waiting[0] = nil
	s.out.waiting = s.out.waiting[1:]
	return m, nil
}

func (s *Session) written(m *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked(m)
}

// closeGrace is how long a connection that is to be closed may take to swallow
// what is queued for it.
const closeGrace = 5 * time.Second

// writesAtOnce is how many messages are written before others go first.
const writesAtOnce = 8

// write writes what is queued. It is the only one that writes messages; the library
// answers pings from where it reads. No write has a context that can end, for which the
// library would start a watcher each time: whatever ends the connection ends the write.
func (s *Session) write() {
	var busy stride
	for n := 1; ; n++ {
		if n%writesAtOnce == 0 {
			busy.step()
		}
		m, end := s.next()
		switch {
		case m != nil:
			err := s.conn.Write(context.Background(), websocket.MessageText, m.raw)
			s.written(m)
			if err != nil {
				s.drop()
				return
			}
		case end != nil:
			_ = s.conn.Close(websocket.StatusCode(end.code), end.reason) // the peer may be gone
			s.drop()
			return
		case s.idle():
			return
		}
	}
}

// idle tells whether the writer has nothing to do and is to end.
func (s *Session) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = len(s.out.waiting) > 0 || s.ending != nil
	return !s.writing
}

// drop lets go of the connection and of all that waits for it.
func (s *Session) drop() {
	s.mu.Lock()
	for _, m := range s.out.waiting {
		s.forgetLocked(m)
	}
	s.out.waiting = nil
	s.endLocked(protocol.CloseNormal, "")
	s.patience.Stop()
	s.mu.Unlock()
	s.cut()
	_ = s.conn.CloseNow() // the line is cut; this frees what the library has
	s.stop()
}
