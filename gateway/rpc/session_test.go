package rpc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// line is a Line that counts nothing.
type line struct{ net.Conn }

func (line) Carried(int, int) {}

// takeover puts the intake below a WebSocket.
type takeover struct {
	http.ResponseWriter
	in *Intake
}

func (o *takeover) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(o.ResponseWriter).Hijack()
	o.in = NewIntake(conn, line{conn}, nil)
	return o.in, rw, err
}

// session is one end of a connection; the other is returned too.
func session(t *testing.T, h *Hub) (*Session, *websocket.Conn) {
	t.Helper()
	type accept struct {
		conn *websocket.Conn
		in   *Intake
	}
	accepted := make(chan accept, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		over := &takeover{ResponseWriter: w}
		conn, err := websocket.Accept(over, r, nil)
		if err != nil {
			t.Error(err)
		}
		accepted <- accept{conn, over.in}
	}))
	srv.Start()
	t.Cleanup(srv.Close)
	far, _, err := websocket.Dial(t.Context(), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	near := <-accepted
	t.Cleanup(func() {
		_ = near.in.Close() // it may be closed already
		_ = far.CloseNow()
	})
	s := h.NewSession("1", near.conn, near.in)
	s.Role = protocol.RoleOperator
	return s, far
}

// serve runs the session as one that was welcomed; the returned function waits for its end.
func serve(t *testing.T, h *Hub, s *Session) (wait func()) {
	t.Helper()
	done, welcomed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		s.Run(context.WithoutCancel(t.Context()), func(ctx context.Context) {
			h.Welcome(s, []byte("hello"))
			close(welcomed)
			s.Serve(ctx)
		})
	}()
	<-welcomed
	return func() { <-done }
}

func (s *Session) end() *ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

func quiet(m *Mux) *Hub { return NewHub(m, slog.New(slog.DiscardHandler)) }

func request(id, method string) []byte {
	return fmt.Appendf(nil, `{"type":"req","id":%q,"method":%q}`, id, method)
}

func send(t *testing.T, far *websocket.Conn, frame []byte) {
	t.Helper()
	if err := far.Write(t.Context(), websocket.MessageText, frame); err != nil {
		t.Fatal(err)
	}
}

func wantFrames(t *testing.T, far *websocket.Conn, frames ...string) {
	t.Helper()
	for _, want := range frames {
		if _, got, err := far.Read(t.Context()); err != nil || string(got) != want {
			t.Fatalf("got %s, %v; want %s", got, err, want)
		}
	}
}

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
	h.grace = 100 * time.Millisecond
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

// TestSlowConsumer: a client that does not read loses what may be dropped, and
// the connection for what may not.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	s, _ := session(t, h)
	h.OnRefuse(func(reason, about string) string { return reason + about + " [help]" })
	h.Welcome(s, []byte("hello"))
	s.out.bytes = protocol.MaxBufferedBytes + 1
	for _, tc := range []struct {
		drop   bool
		queued int
		ends   bool
	}{{true, 1, false}, {false, 0, true}} {
		if err := h.Broadcast("tick", 1, Delivery{Drop: tc.drop}); err != nil {
			t.Fatal(err)
		}
		if len(s.out.waiting) != tc.queued || (s.ending != nil) != tc.ends {
			t.Errorf("drop %v: %d queued, ending %+v", tc.drop, len(s.out.waiting), s.ending)
		}
	}
	if s.ending.code != protocol.ClosePolicy || s.ending.reason != "slow consumer [help]" {
		t.Errorf("ends with %+v", s.ending)
	}
	if h.held.Load() != 0 {
		t.Errorf("%d bytes held", h.held.Load())
	}
}

// TestSlowestIsClosed: when all clients together hold too much, those that hold the most go,
// one by one, and an event that waits for all of them counts once.
func TestSlowestIsClosed(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	h.maxHeld = 10_000
	var all []*Session
	for range 20 {
		s, _ := session(t, h)
		h.Welcome(s, []byte("hello"))
		all = append(all, s)
	}
	ended := func() (n int) {
		for _, s := range all {
			if s.end() != nil {
				n++
			}
		}
		return n
	}
	if err := h.Broadcast("x", strings.Repeat("x", 5000), Delivery{}); err != nil {
		t.Fatal(err)
	}
	if n := ended(); n != 0 {
		t.Fatalf("%d were closed for one event that waits for all", n)
	}
	all[3].offer(make([]byte, 2000))
	all[7].offer(make([]byte, 500))
	if n := ended(); n != 0 {
		t.Fatalf("%d were closed below the bound", n)
	}
	all[7].offer(make([]byte, 3000)) // now it holds the most, and goes
	if n := ended(); n != 1 || all[7].end() == nil || all[7].end().reason != "slow consumer" {
		t.Errorf("%d were closed, the one that holds the most: %+v", n, all[7].end())
	}
	all[3].hold(8000) // of a request that it is sending
	h.relieve()
	if n := ended(); n != 2 || all[3].end() == nil {
		t.Errorf("%d were closed", n)
	}
	all[3].hold(-8000)
	for _, s := range all {
		s.drop()
	}
	if got := h.held.Load(); got != 0 {
		t.Errorf("%d bytes held for nobody", got)
	}
}

// TestSentSlowly: what has come of a message counts before the message is complete.
func TestSentSlowly(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	h.maxHeld = 1 << 20
	s, far := session(t, h)
	wait := serve(t, h, s)
	w, err := far.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil { // it never ends
		_, err = w.Write(make([]byte, 64<<10))
	}
	wait()
	if end := s.end(); end.reason != "slow consumer" || h.held.Load() != 0 {
		t.Errorf("ends with %+v, %d bytes held", end, h.held.Load())
	}
}

// TestTell: it waits for those who read slowly, not for those who have gone, and not for longer than it may.
func TestTell(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	one, _ := session(t, h)
	two, _ := session(t, h)
	for _, s := range []*Session{one, two} {
		h.Welcome(s, []byte("hello"))
	}
	told := make(chan error, 1)
	go func() { told <- h.Tell(t.Context(), "shutdown", nil, Delivery{}) }()
	for _, s := range []*Session{one, two} {
		for range 2 {
			m, _ := s.next()
			for m == nil { // not queued yet
				runtime.Gosched()
				m, _ = s.next()
			}
			if len(told) > 0 {
				t.Fatal("it did not wait")
			}
			s.written(m)
		}
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Tell(ctx, "shutdown", nil, Delivery{}); err != nil {
		t.Error(err)
	}
	two.drop()
	one.drop()
	if err := h.Tell(t.Context(), "shutdown", nil, Delivery{}); err != nil {
		t.Error(err)
	}
}

// TestSeq: broadcasts are numbered while there are clients, those that a client
// may not see included; what is sent to one is not.
func TestSeq(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	if err := h.Broadcast("tick", 1, Delivery{}); err != nil || h.seq != 0 {
		t.Errorf("seq %d without clients, %v", h.seq, err)
	}
	s, _ := session(t, h)
	h.Welcome(s, []byte("{}"))
	for _, d := range []Delivery{{}, {Need: ScopePairing}, {Version: &protocol.StateVersion{Presence: 1, Health: 2}}} {
		if err := h.Broadcast("x", nil, d); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Send(s, "y", nil, nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range s.out.waiting {
		got = append(got, string(m.raw))
	}
	want := []string{"{}", `{"type":"event","event":"x","payload":null,"seq":1}`,
		`{"type":"event","event":"x","payload":null,"seq":3,"stateVersion":{"presence":1,"health":2}}`, `{"type":"event","event":"y","payload":null}`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
