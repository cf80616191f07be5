package rpc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Line is the connection below a WebSocket.
type Line interface {
	Close() error                 // at once, whatever the WebSocket is in the middle of; may be called more than once
	Carried(padding, content int) // notes how many bytes came that are no content, and that are; may wait
}

// Session is one connection. Client, Role, Scopes, DeviceID, Offer and Ends are set before
// Welcome and not changed afterwards.
//
// Two goroutines serve it: one reads, and carries out each request whose method does not wait; one
// writes, and is there only while something is to be written, as its stack is most of
// what an idle client would take. What is for the client goes through a queue, so that
// nobody waits for it.
type Session struct {
	ID       string // uuid of the connection
	Client   protocol.ClientInfo
	Role     string
	Scopes   []string
	DeviceID string             // "" for a client without a device
	RemoteIP string             // "" for a local one
	Offer    protocol.NodeOffer // of a node, with the commands that it may carry out
	Ends     time.Time          // when the connection must end, the zero time for never

	hub    *Hub
	conn   *websocket.Conn
	line   Line
	in     *Intake
	turn   *turn        // of the large message that is being read; nil for others. Only who reads uses it
	warned bool         // of frames that are not JSON; only who reads uses it
	held   atomic.Int64 // bytes that the gateway holds for this client

	mu       sync.Mutex // guards what follows
	out      queue
	requests int     // that are being carried out
	leaving  *ending // how it is to end once it has no requests
	deaf     bool    // it is expelled: what it asks from now on is dropped
	ending   *ending
	patience *time.Timer // cuts the line; set with ending
	writing  bool        // the writer runs, or may not be started: Run has not begun, or the connection has ended

	writer   sync.WaitGroup
	stop     context.CancelFunc // ends what is done for the client; set by Run
	relief   chan struct{}      // holds at most one token; little enough waits
	finished chan struct{}      // closed once ending is set
}

// maxGreeting bounds the frames of a client that has not been welcomed yet: who
// may be anybody is not to fill the memory. A connect with everything that it may hold
// stays far below.
const maxGreeting = 64 << 10

// NewSession wraps a connection, which reads from in, and whose limits it sets. Run is to be called for it.
func (h *Hub) NewSession(id string, conn *websocket.Conn, in *Intake) *Session {
	s := &Session{ID: id, hub: h, conn: conn, line: in.line, in: in, writing: true, stop: func() {}, relief: make(chan struct{}, 1), finished: make(chan struct{})}
	s.allow(maxGreeting)
	return s
}

// allow sets how long a message may be.
func (s *Session) allow(n int64) {
	s.in.limit.Store(n)
	s.conn.SetReadLimit(n) // the intake refuses before
}

// Run writes what is queued while read, which is to call Read, Serve or Discard, reads.
// It returns when the connection is closed and every request has been answered. read's
// context ends when nothing can be written any more.
func (s *Session) Run(ctx context.Context, read func(context.Context)) {
	ctx, s.stop = context.WithCancel(ctx)
	defer s.writer.Wait() // also when read panics
	defer s.Close(protocol.CloseNormal, "")
	defer s.hub.leave(s)
	defer s.endTurn()
	s.hub.enter(s)
	s.writer.Go(s.write)
	read(ctx)
}

// Has tells whether the client was given the scope, literally.
func (s *Session) Has(scope Scope) bool { return slices.Contains(s.Scopes, string(scope)) }

// May tells whether the client may do what needs the scope: admin includes all scopes, and
// write includes read.
func (s *Session) May(scope Scope) bool {
	return s.Has(ScopeAdmin) || s.Has(scope) || scope == ScopeRead && s.Has(ScopeWrite)
}

// Fail queues the refusal of a request.
func (s *Session) Fail(id string, e *protocol.Error) { s.offer(failure(id, e)) }

// Event queues an event that is not numbered.
func (s *Session) Event(event string, payload any) error { return s.hub.Send(s, event, payload, nil) }

// Close ends the connection once what is queued has been written.
func (s *Session) Close(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(code, reason)
}

// Refuse ends the connection with protocol.ClosePolicy once what is queued has been
// written. about is what a remedy needs, such as the id of a request; often "".
func (s *Session) Refuse(reason, about string) {
	s.Close(protocol.ClosePolicy, s.hub.explain(reason, about))
}

// cut ends the connection at once.
func (s *Session) cut() { _ = s.line.Close() } // it may have ended by itself

// finish ends the connection once every request that it has made is answered.
func (s *Session) finish(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests == 0 {
		s.endLocked(code, reason)
		return
	}
	s.leaving = &ending{code, reason}
}

// expel ends the connection of a client that may do nothing any more. What it asked
// before is answered if that does not take long; requests may take days.
func (s *Session) expel(code int, reason string) {
	s.finish(code, reason)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = true
	if s.ending == nil {
		time.AfterFunc(s.hub.respite, func() { s.Close(code, reason) })
	}
}

// begin counts a request; false when it is not to be carried out.
func (s *Session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaf {
		return false
	}
	s.requests++
	return true
}

// answer queues the answer to a request that began.
func (s *Session) answer(frame []byte) {
	s.offer(frame)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests--
	if s.requests == 0 && s.leaving != nil {
		s.endLocked(s.leaving.code, s.leaving.reason)
	}
}

// Serve answers requests until the connection ends; it returns when every request has
// been answered. A client with too many requests under way that wait is not read from until one
// is answered, nor one that does not take its answers until it does.
func (s *Session) Serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var requests sync.WaitGroup
	defer s.logSlow()
	defer requests.Wait()
	defer cancel()
	defer s.hub.leave(s) // before its requests end: nothing more is sent to it
	room := make(places, maxInFlight)
	for s.caughtUp(ctx) {
		raw, err := s.Read()
		if err != nil || !s.serveOne(ctx, raw, room, &requests) {
			return
		}
	}
}

// serveOne answers one request, or has it answered by one of requests; false when ctx ended
// first. What it needs of the stack is not there while an idle client is waited for.
func (s *Session) serveOne(ctx context.Context, raw []byte, room places, requests *sync.WaitGroup) bool {
	req, id, wrong := ParseRequest(raw)
	if wrong != nil {
		s.Done(raw)
		if !errors.Is(wrong, ErrNotJSON) {
			s.Fail(id, protocol.Invalid("invalid request frame: "+wrong.Error()))
		} else if !s.warned {
			s.warned = true
			s.hub.log.Warn("frames that are not JSON are ignored", "conn", s.ID)
		}
		return true
	}
	t := s.hub.mux.look(s, req)
	if !t.waits {
		if s.begin() {
			s.answer(t.do(ctx, s))
		}
		s.Done(raw)
		return true
	}
	s.endTurn()
	n := weight(len(raw))
	if !room.take(ctx, n) {
		s.Done(raw)
		return false
	}
	if !s.begin() {
		room.give(n)
		s.Done(raw)
		return true
	}
	size := cap(raw)
	requests.Go(func() {
		s.answer(t.do(ctx, s))
		s.hold(-size)
		room.give(n)
	})
	return true
}

// logSlow notes why the connection has ended if the client did not read. Where it is
// decided, locks are held.
func (s *Session) logSlow() {
	s.mu.Lock()
	end := s.ending
	s.mu.Unlock()
	if end != nil && strings.HasPrefix(end.reason, slowConsumer) {
		s.hub.log.Warn("a client that does not read was dropped", "conn", s.ID, "client", s.Client.ID)
	}
}

// Discard reads and drops messages until the connection ends, so that the
// closing handshake of a refused client can take place.
func (s *Session) Discard() {
	for {
		raw, err := s.Read()
		if err != nil {
			return
		}
		s.Done(raw)
	}
}
