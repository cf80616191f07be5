package rpc

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestStuckConsumer: the connection of a client that takes nothing is dropped,
// with what waits for it.
func TestStuckConsumer(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	h.grace = 10 * time.Millisecond
	s, _ := session(t, h)
	wait := serve(t, h, s)
	for s.end() == nil {
		if err := h.Broadcast("x", strings.Repeat("x", 1<<20), Delivery{}); err != nil {
			t.Fatal(err)
		}
	}
	wait()
	if got := *s.end(); got.code != protocol.ClosePolicy || h.Count() != 0 || h.held.Load() != 0 || s.held.Load() != 0 {
		t.Errorf("ends with %+v, %d clients left, %d bytes held, %d for it", got, h.Count(), h.held.Load(), s.held.Load())
	}
}

// TestFinishAnswers: requests that are being carried out are answered before the end.
func TestFinishAnswers(t *testing.T) {
	t.Parallel()
	var m Mux
	began, release := make(chan struct{}), make(chan struct{})
	Handle(&m, "slow", ScopeRead, func(context.Context, *Session, struct{}) (string, error) {
		close(began)
		<-release
		return "done", nil
	})
	m.Waits("slow")
	h := quiet(&m)
	s, far := session(t, h)
	s.Scopes = []string{string(ScopeRead)}
	wait := serve(t, h, s)
	send(t, far, request("7", "slow"))
	<-began
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		h.FinishAll(context.WithoutCancel(t.Context()), protocol.CloseRestart, "bye")
	}()
	for {
		s.mu.Lock()
		asked := s.leaving != nil
		s.mu.Unlock()
		if asked {
			break
		}
		runtime.Gosched()
	}
	close(release)
	wantFrames(t, far, "hello", `{"type":"res","id":"7","ok":true,"payload":"done"}`)
	if _, _, err := far.Read(t.Context()); websocket.CloseStatus(err) != protocol.CloseRestart {
		t.Errorf("closed with %v", err)
	}
	<-finished
	wait()
	if h.held.Load() != 0 || s.held.Load() != 0 {
		t.Errorf("%d bytes held, %d for it", h.held.Load(), s.held.Load())
	}
}

// TestExpelledMayDoNothing: a device that was removed cannot stay by a request that takes
// long, nor have another carried out meanwhile.
func TestExpelledMayDoNothing(t *testing.T) {
	t.Parallel()
	var m Mux
	began, calls := make(chan struct{}), atomic.Int32{}
	Handle(&m, "slow", ScopeRead, func(ctx context.Context, _ *Session, _ struct{}) (string, error) {
		close(began)
		<-ctx.Done()
		return "", ctx.Err()
	})
	Handle(&m, "quick", ScopeRead, func(context.Context, *Session, struct{}) (string, error) {
		calls.Add(1)
		return "done", nil
	})
	m.Waits("slow") // while it does, the client is read from
	h := quiet(&m)
	h.respite = 10 * time.Millisecond
	s, far := session(t, h)
	s.Scopes, s.DeviceID = []string{string(ScopeRead)}, "d"
	wait := serve(t, h, s)
	send(t, far, request("1", "slow"))
	<-began
	h.RefuseDevice("d", "device removed")
	_ = far.Write(t.Context(), websocket.MessageText, request("2", "quick")) // it may have been closed by now
	wantFrames(t, far, "hello")
	if _, raw, err := far.Read(t.Context()); websocket.CloseStatus(err) != protocol.ClosePolicy {
		t.Errorf("got %s, %v", raw, err)
	}
	wait()
	if calls.Load() != 0 || h.held.Load() != 0 || s.held.Load() != 0 {
		t.Errorf("%d requests were carried out; %d bytes held, %d for it", calls.Load(), h.held.Load(), s.held.Load())
	}
}

// TestPanickingMethod: the request is answered, the panic logged with its stack, and the
// connection goes on.
func TestPanickingMethod(t *testing.T) {
	t.Parallel()
	var m Mux
	Handle(&m, "bad", ScopeRead, func(context.Context, *Session, struct{}) (string, error) { panic("ouch") })
	Handle(&m, "good", ScopeRead, func(context.Context, *Session, struct{}) (string, error) { return "fine", nil })
	var log bytes.Buffer
	h := NewHub(&m, slog.New(slog.NewTextHandler(&log, nil)))
	s, far := session(t, h)
	s.Scopes = []string{string(ScopeRead)}
	wait := serve(t, h, s)
	wantFrames(t, far, "hello")
	send(t, far, request("1", "bad"))
	wantFrames(t, far, `{"type":"res","id":"1","ok":false,"error":{"code":"UNAVAILABLE","message":"Error: bad failed inside the gateway"}}`)
	send(t, far, request("2", "good"))
	wantFrames(t, far, `{"type":"res","id":"2","ok":true,"payload":"fine"}`)
	far.Close(websocket.StatusNormalClosure, "")
	wait()
	for _, want := range []string{"method=bad", "panic=ouch", "session_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
}

// TestPanicOutsideOfAMethod: where what serves a client panics, nothing of the client is left.
func TestPanicOutsideOfAMethod(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	s, far := session(t, h)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		s.Run(t.Context(), func(context.Context) {
			h.Welcome(s, []byte("hello"))
			go func() {
				for _, _, err := far.Read(t.Context()); err == nil; { // takes part in the closing
					_, _, err = far.Read(t.Context())
				}
			}()
			panic("ouch")
		})
	}()
	if h.Count() != 0 || len(h.sessions) != 0 {
		t.Errorf("%d clients, %d sessions are left", h.Count(), len(h.sessions))
	}
}

// TestEndWithRequests: a connection that is cut lets go of requests that never end by themselves,
// even when there are so many that the client is not read from.
func TestEndWithRequests(t *testing.T) {
	t.Parallel()
	var m Mux
	var began sync.WaitGroup
	began.Add(maxInFlight)
	Handle(&m, "wait", ScopeRead, func(ctx context.Context, _ *Session, _ struct{}) (string, error) {
		began.Done()
		<-ctx.Done()
		return "", ctx.Err()
	})
	m.Waits("wait")
	h := quiet(&m)
	s, far := session(t, h)
	s.Scopes = []string{string(ScopeRead)}
	wait := serve(t, h, s)
	for range maxInFlight + 1 {
		send(t, far, request("1", "wait"))
	}
	began.Wait()
	h.Kill()
	wait()
	if h.held.Load() != 0 {
		t.Errorf("%d bytes held", h.held.Load())
	}
}
