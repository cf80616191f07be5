package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Session is one connection. Client, Role, Scopes, DeviceID and Offer are set before
// Welcome and not changed afterwards.
type Session struct {
	ID       string // uuid of the connection
	Client   protocol.ClientInfo
	Role     string
	Scopes   []string
	DeviceID string             // "" for a client without a device
	RemoteIP string             // "" for a local one
	Offer    protocol.NodeOffer // of a node, with the commands that it may carry out

	hub  *Hub
	conn *websocket.Conn

	mu       sync.Mutex // guards what follows
	queue    [][]byte
	bytes    int     // of the frames in the queue and of those being written
	requests int     // that are being carried out
	leaving  *ending // how it is to end once it has no requests
	ending   *ending

	wake     chan struct{} // holds at most one token
	finished chan struct{} // closed once ending is set
}

type ending struct {
	code   int
	reason string
}

// maxGreeting bounds the frames of a client that has not been welcomed yet: who
// may be anybody is not to fill the memory. A connect with everything that it may hold
// stays far below.
const maxGreeting = 64 << 10

// NewSession wraps a connection, whose read limit it sets. Serve or Discard is
// to be called for it, and Write beside them.
func (h *Hub) NewSession(id string, conn *websocket.Conn) *Session {
	conn.SetReadLimit(maxGreeting)
	s := &Session{ID: id, hub: h, conn: conn, wake: make(chan struct{}, 1), finished: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s] = false
	return s
}

// Has tells whether the client was given the scope, literally.
func (s *Session) Has(scope Scope) bool { return slices.Contains(s.Scopes, string(scope)) }

// offer queues a frame. A client with too much waiting loses the frame if drop
// is set, else the connection.
func (s *Session) offer(frame []byte, drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending != nil {
		return
	}
	if s.bytes > protocol.MaxBufferedBytes {
		if !drop {
			s.queue = nil // it would never be read
			s.endLocked(protocol.ClosePolicy, "slow consumer")
		}
		return
	}
	s.queue = append(s.queue, frame)
	s.bytes += len(frame)
	s.wakeLocked()
}

// Fail queues the refusal of a request.
func (s *Session) Fail(id string, e *protocol.Error) { s.offer(failure(id, e), false) }

// Event queues an event that is not numbered.
func (s *Session) Event(event string, payload any) error { return s.hub.Send(s, event, payload, nil) }

// Close ends the connection once what is queued has been written.
func (s *Session) Close(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(code, reason)
}

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

// begin counts a request.
func (s *Session) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
}

// answer queues the answer to a request that began.
func (s *Session) answer(frame []byte) {
	s.offer(frame, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests--
	if s.requests == 0 && s.leaving != nil {
		s.endLocked(s.leaving.code, s.leaving.reason)
	}
}

func (s *Session) endLocked(code int, reason string) {
	if s.ending != nil {
		return
	}
	s.ending = &ending{code, protocol.Reason(reason)}
	close(s.finished)
	s.wakeLocked()
	// The writer may be stuck with a client that does not read.
	time.AfterFunc(s.hub.grace, func() { _ = s.conn.CloseNow() })
}

func (s *Session) wakeLocked() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns what waits to be written.
func (s *Session) take() ([][]byte, *ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := s.queue
	s.queue = nil
	return batch, s.ending
}

func (s *Session) written(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= n
}

// closeGrace is how long a connection that is to be closed may take to swallow
// what is queued for it.
const closeGrace = 5 * time.Second

// Write writes what is queued until the connection ends. It is for the one
// goroutine that writes.
func (s *Session) Write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			_ = s.conn.CloseNow()
			return
		case <-s.wake:
		}
		batch, end := s.take()
		if err := s.writeAll(ctx, batch); err != nil {
			_ = s.conn.CloseNow()
			return
		}
		if end != nil {
			_ = s.conn.Close(websocket.StatusCode(end.code), end.reason) // the peer may be gone
			return
		}
	}
}

func (s *Session) writeAll(ctx context.Context, batch [][]byte) error {
	for _, frame := range batch {
		if err := s.conn.Write(ctx, websocket.MessageText, frame); err != nil {
			return err
		}
		s.written(len(frame))
	}
	return nil
}

// Read returns the next message. It is for the one goroutine that reads.
func (s *Session) Read(ctx context.Context) ([]byte, error) {
	_, raw, err := s.conn.Read(ctx)
	return raw, err
}

// maxInFlight bounds the requests of one client that are carried out at once.
const maxInFlight = 64

// Serve answers requests until the connection ends; it returns when every
// request has been answered.
func (s *Session) Serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var requests sync.WaitGroup
	slots := make(chan struct{}, maxInFlight)
	for {
		raw, err := s.Read(ctx)
		if err != nil {
			break
		}
		req, id, wrong := ParseRequest(raw)
		switch {
		case errors.Is(wrong, ErrNotJSON):
			s.hub.log.Warn("a frame that is not JSON was ignored", "conn", s.ID)
			continue
		case wrong != nil:
			s.Fail(id, protocol.Invalid("invalid request frame: "+wrong.Error()))
			continue
		}
		slots <- struct{}{}
		s.begin()
		requests.Go(func() {
			s.answer(s.hub.mux.dispatch(ctx, s, req))
			<-slots
		})
	}
	s.hub.leave(s)
	cancel()
	requests.Wait()
	s.Close(protocol.CloseNormal, "") // in case it broke; whoever waits for its end need not
}

// ErrNotJSON is for a frame that is no JSON text.
var ErrNotJSON = errors.New("not JSON")

// ParseRequest reads a request frame. id is the frame's id if it has one, else
// "invalid", for the answer to a frame that is wrong.
func ParseRequest(raw []byte) (req protocol.Request, id string, err error) {
	if !json.Valid(raw) {
		return req, "invalid", ErrNotJSON
	}
	var loose struct {
		ID any `json:"id"`
	}
	_ = json.Unmarshal(raw, &loose) // anything but an object has no id
	id = "invalid"
	if text, ok := loose.ID.(string); ok && text != "" {
		id = text
	}
	if wrong := validateRequest(raw); wrong != "" {
		return req, id, errors.New(wrong)
	}
	return req, id, json.Unmarshal(raw, &req)
}

// Discard reads and drops messages until the connection ends, so that the
// closing handshake of a refused client can take place.
func (s *Session) Discard(ctx context.Context) {
	defer s.hub.leave(s)
	for {
		if _, err := s.Read(ctx); err != nil {
			s.Close(protocol.CloseNormal, "")
			return
		}
	}
}
