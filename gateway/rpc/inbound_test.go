package rpc

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestLargeRequestsTakePlaces: what a client has sent of requests that are under way is bounded
// by more than their number.
func TestLargeRequestsTakePlaces(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{0: 1, 1000: 1, 1 << 20: 3, protocol.MaxPayload / 2: 33, protocol.MaxPayload: maxInFlight} {
		if got := weight(size); got != want {
			t.Errorf("%d bytes: %d places, want %d", size, got, want)
		}
	}
	p := make(places, 3)
	ctx, cancel := context.WithCancel(t.Context())
	if !p.take(ctx, 2) {
		t.Error("no place in an empty room")
	}
	cancel()
	if p.take(ctx, 2) || len(p) != 2 {
		t.Errorf("%d places are taken", len(p))
	}
	p.give(2)
}

// TestAsksWithoutReading: a client that does not take its answers is not read from, as nobody
// would ever have what it asks for, and served again when it reads.
func TestAsksWithoutReading(t *testing.T) {
	t.Parallel()
	var m Mux
	var calls atomic.Int32
	Handle(&m, "big", ScopeRead, func(context.Context, *Session, struct{}) (string, error) {
		calls.Add(1)
		return strings.Repeat("x", 256<<10), nil
	})
	h := quiet(&m)
	s, far := session(t, h)
	far.SetReadLimit(-1)
	s.Scopes = []string{string(ScopeRead)}
	wait := serve(t, h, s)
	const asked = 4 * maxInFlight
	go func() {
		for range asked {
			_ = far.Write(t.Context(), websocket.MessageText, request("1", "big")) // read below
		}
	}()
	for h.held.Load() <= maxUnread { // the sockets take the first
		runtime.Gosched()
	}
	wantFrames(t, far, "hello")
	for range asked {
		if _, _, err := far.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := calls.Load(); n != asked {
		t.Errorf("%d calls", n)
	}
	far.Close(websocket.StatusNormalClosure, "")
	wait()
	s.out.bytes = maxUnread + 1
	s.ending = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s.relief = make(chan struct{}, 1); s.caughtUp(ctx) {
		t.Error("it is read from")
	}
}

// TestBigGreeting: who has not been let in cannot send much.
func TestBigGreeting(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	s, far := session(t, h)
	go func() { _ = far.Write(t.Context(), websocket.MessageText, make([]byte, maxGreeting+1)) }() // refused half-way
	if _, err := s.Read(); !errors.Is(err, errTooLong) || s.end().code != protocol.CloseTooBig {
		t.Errorf("got %v", err)
	}
	if h.held.Load() != 0 {
		t.Errorf("%d bytes held", h.held.Load())
	}
}

// TestNotText: a text frame that is not UTF-8 ends the connection, as RFC 6455 wants it.
func TestNotText(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	s, far := session(t, h)
	wait := serve(t, h, s)
	send(t, far, []byte("{\"a\":\"\xff\"}"))
	wantFrames(t, far, "hello")
	if _, _, err := far.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusInvalidFramePayloadData {
		t.Errorf("closed with %v", err)
	}
	wait()
}
