package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Hub is the set of connected clients. Its methods are safe for concurrent use
// and never wait for a client.
type Hub struct {
	mux     *Mux
	log     *slog.Logger
	grace   time.Duration // closeGrace but in tests
	respite time.Duration // how long the requests of one that is expelled may go on; closeGrace but in tests

	large *large

	held    atomic.Int64 // bytes that are held for all clients together
	maxHeld int64

	explain func(reason, about string) string // adds to the reason of a refusal what helps

	mu       sync.Mutex        // guards what follows; taken before any Session.mu
	sessions map[*Session]bool // every connection; true once it was welcomed
	count    int               // of those that were
	seq      int64
	changed  func(n int) // told, under mu, how many clients there are
}

// NewHub returns a hub whose clients call the methods of mux.
func NewHub(mux *Mux, log *slog.Logger) *Hub {
	return &Hub{mux: mux, log: log, large: newLarge(log), grace: closeGrace, respite: closeGrace, maxHeld: maxHeld, sessions: map[*Session]bool{},
		explain: func(reason, _ string) string { return reason }}
}

// OnRefuse has fn make the reason of every close with protocol.ClosePolicy: from what
// was wrong, and what that is about. It is to be called before the first client comes.
func (h *Hub) OnRefuse(fn func(reason, about string) string) { h.explain = fn }

// OnCount has fn told whenever the number of clients changes. fn must not call
// the hub. It is to be called before the first client comes.
func (h *Hub) OnCount(fn func(n int)) { h.changed = fn }

// Count is the number of clients that have been welcomed.
func (h *Hub) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// Delivery says how an event is sent.
type Delivery struct {
	Drop    bool                   // skip clients that do not keep up, instead of closing them
	Need    Scope                  // send it only to operators with this scope; "" sends to all
	Version *protocol.StateVersion // of presence and health events
}

// Broadcast sends an event to every client, encoded once. A payload that is a
// json.RawMessage has to be valid.
func (h *Hub) Broadcast(event string, payload any, d Delivery) error {
	_, err := h.broadcast(event, payload, d)
	return err
}

// Tell is Broadcast that returns once the event has been written to every client that
// was there, or ctx has ended.
func (h *Hub) Tell(ctx context.Context, event string, payload any, d Delivery) error {
	told, err := h.broadcast(event, payload, d)
	if err != nil {
		return err
	}
	select {
	case <-told:
	case <-ctx.Done():
	}
	return nil
}

// broadcast returns a channel that is closed when no client waits for the event any more.
func (h *Hub) broadcast(event string, payload any, d Delivery) (told <-chan struct{}, err error) {
	raw, err := encode(payload)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", event, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	gone := make(chan struct{})
	if h.count == 0 {
		close(gone)
		return gone, nil
	}
	h.seq++
	m := h.newMessage(eventFrame(event, raw, h.seq, d.Version))
	m.gone = gone
	for s, welcomed := range h.sessions {
		if welcomed && d.reaches(s) {
			s.enqueue(m, d.Drop)
		}
	}
	m.release()
	h.relieveLocked()
	return gone, nil
}

// reaches tells whether the client may see the event.
func (d Delivery) reaches(s *Session) bool {
	return d.Need == "" || s.Role == protocol.RoleOperator && s.May(d.Need)
}

// Send sends an event to one client, without a number.
func (h *Hub) Send(s *Session, event string, payload any, version *protocol.StateVersion) error {
	raw, err := encode(payload)
	if err != nil {
		return fmt.Errorf("event %s: %w", event, err)
	}
	s.offer(eventFrame(event, raw, 0, version))
	return nil
}

// Welcome makes s one of those who receive broadcasts, after queuing the frame
// that greets it: no broadcast overtakes the greeting.
func (h *Hub) Welcome(s *Session, greeting []byte) {
	s.allow(protocol.MaxPayload)
	m := h.newMessage(greeting)
	defer m.release()
	h.mu.Lock()
	defer h.mu.Unlock()
	s.enqueue(m, false)
	h.sessions[s] = true
	h.countLocked(1)
}

// enter takes s in, unwelcomed yet.
func (h *Hub) enter(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s] = false
}

func (h *Hub) countLocked(by int) {
	h.count += by
	if h.changed != nil {
		h.changed(h.count)
	}
}

// leave takes s out; it may be called more than once.
func (h *Hub) leave(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	welcomed := h.sessions[s]
	delete(h.sessions, s)
	if welcomed {
		h.countLocked(-1)
	}
}

// FinishAll closes every connection with the code as soon as its requests are
// answered, and returns when none has a request left or ctx has ended. Nodes come
// last: requests of others may wait for them.
func (h *Hub) FinishAll(ctx context.Context, code int, reason string) {
	h.mu.Lock()
	var busy, nodes []*Session
	for s, welcomed := range h.sessions {
		if welcomed && s.Role == protocol.RoleNode {
			nodes = append(nodes, s)
		} else {
			busy = append(busy, s)
		}
	}
	h.mu.Unlock()
	for _, some := range [][]*Session{busy, nodes} {
		for _, s := range some {
			s.finish(code, reason)
		}
		for _, s := range some {
			select {
			case <-s.finished:
			case <-ctx.Done():
				return
			}
		}
	}
}

// RefuseDevice closes the connections of one device with protocol.ClosePolicy, each as
// soon as its requests are answered, but soon. It carries out nothing that they ask later.
func (h *Hub) RefuseDevice(id, reason string) {
	reason = h.explain(reason, "")
	h.mu.Lock()
	defer h.mu.Unlock()
	for s, welcomed := range h.sessions {
		if welcomed && s.DeviceID == id {
			s.expel(protocol.ClosePolicy, reason)
		}
	}
}

// CloseAll closes every connection with the code, after what is queued for it.
func (h *Hub) CloseAll(code int, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.Close(code, reason)
	}
}

// Kill drops every connection that is left, without a word.
func (h *Hub) Kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.Close(protocol.CloseNormal, "") // for those who wait for the end; nothing can be written any more
		s.cut()
	}
}
