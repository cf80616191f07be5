package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

type params struct {
	Name  string          `json:"name" rule:"required,nonempty"`
	Count int             `json:"count,omitempty" rule:"min=1,max=5"`
	Tags  []string        `json:"tags,omitempty" rule:"nonempty"`
	Mode  string          `json:"mode,omitempty" rule:"enum=ClientModes"`
	Flags map[string]bool `json:"flags,omitempty"`
	Inner *inner          `json:"inner,omitempty"`
}

type inner struct {
	On bool `json:"on" rule:"required"`
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"name":"x"}`: "",
		`{"name":"x","count":5,"tags":["a"],"mode":"cli","flags":{"a":true},"inner":{"on":false}}`: "",
		`{}`:                             "must have required property 'name'",
		`{"name":""}`:                    "at /name: must NOT have fewer than 1 characters",
		`{"name":7}`:                     "at /name: must be string",
		`{"name":"x","count":0}`:         "at /count: must be >= 1",
		`{"name":"x","count":6}`:         "at /count: must be <= 5",
		`{"name":"x","count":1.5}`:       "at /count: must be integer",
		`{"name":"x","count":1e300}`:     "at /count: must be integer",
		`{"name":"x","tags":"a"}`:        "at /tags: must be array",
		`{"name":"x","tags":["a",""]}`:   "at /tags/1: must NOT have fewer than 1 characters",
		`{"name":"x","mode":"?"}`:        "at /mode: must be equal to constant; at /mode: must match a schema in anyOf",
		`{"name":"x","flags":{"a/b":1}}`: "at /flags/a~1b: must be boolean",
		`{"name":"x","inner":{"y":1}}`:   "at /inner: must have required property 'on'; at /inner: unexpected property 'y'",
		`{"name":"x","b":1,"a":1}`:       "at root: unexpected property 'a'; at root: unexpected property 'b'",
		`[]`:                             "must be object",
		`nonsense`:                       "must be object",
	} {
		if got := Validate(json.RawMessage(in), reflect.TypeFor[params]()); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// FuzzValidate: what passes can be decoded, and nothing panics.
func FuzzValidate(f *testing.F) {
	f.Add([]byte(`{"minProtocol":3,"maxProtocol":3,"client":{"id":"cli","mode":"cli","version":"1","platform":"x"},"scopes":["a"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if Validate(raw, reflect.TypeFor[protocol.ConnectParams]()) != "" {
			return
		}
		var p protocol.ConnectParams
		if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&p); err != nil {
			t.Errorf("%s passes and cannot be decoded: %v", raw, err)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"type":"req","id":"1","method":"health","params":{}}`))
	f.Add([]byte(`{"type":"res","id":7}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, id, err := ParseRequest(raw)
		if id == "" || err == nil && (req.ID == "" || req.Method == "" || req.Type != protocol.TypeRequest) {
			t.Errorf("%s: %+v, %q, %v", raw, req, id, err)
		}
	})
}

// session is one end of a connection in memory; the other is returned too.
func session(t *testing.T, h *Hub) (*Session, *websocket.Conn) {
	t.Helper()
	accepted := make(chan *websocket.Conn, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		accepted <- conn
	}))
	t.Cleanup(srv.Close)
	far, _, err := websocket.Dial(t.Context(), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	near := <-accepted
	t.Cleanup(func() {
		_ = near.CloseNow() // it may be closed already
		_ = far.CloseNow()
	})
	s := h.NewSession("1", near)
	s.Role = protocol.RoleOperator
	return s, far
}

func (s *Session) end() *ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

// TestStuckConsumer: the connection of a client that takes nothing is dropped,
// with what waits for it.
func TestStuckConsumer(t *testing.T) {
	t.Parallel()
	h := NewHub(&Mux{}, slog.New(slog.DiscardHandler))
	h.grace = 10 * time.Millisecond
	s, _ := session(t, h)
	var served sync.WaitGroup
	served.Go(func() { s.Write(context.WithoutCancel(t.Context())) })
	served.Go(func() { s.Serve(context.WithoutCancel(t.Context())) })
	h.Welcome(s, []byte("hello"))
	for s.end() == nil {
		if err := h.Broadcast("x", strings.Repeat("x", 1<<20), Delivery{}); err != nil {
			t.Fatal(err)
		}
	}
	served.Wait()
	if got := *s.end(); got.code != protocol.ClosePolicy || h.Count() != 0 {
		t.Errorf("ends with %+v, %d clients left", got, h.Count())
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
	h := NewHub(&m, slog.New(slog.DiscardHandler))
	s, far := session(t, h)
	s.Scopes = []string{string(ScopeRead)}
	var served sync.WaitGroup
	served.Go(func() { s.Write(context.WithoutCancel(t.Context())) })
	served.Go(func() { s.Serve(context.WithoutCancel(t.Context())) })
	h.Welcome(s, []byte("hello"))
	if err := far.Write(t.Context(), websocket.MessageText, []byte(`{"type":"req","id":"7","method":"slow"}`)); err != nil {
		t.Fatal(err)
	}
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
	for _, want := range []string{"hello", `{"type":"res","id":"7","ok":true,"payload":"done"}`} {
		if _, got, err := far.Read(t.Context()); err != nil || string(got) != want {
			t.Fatalf("got %s, %v; want %s", got, err, want)
		}
	}
	if _, _, err := far.Read(t.Context()); websocket.CloseStatus(err) != protocol.CloseRestart {
		t.Errorf("closed with %v", err)
	}
	<-finished
	served.Wait()
}

// TestBigGreeting: who has not been let in cannot send much.
func TestBigGreeting(t *testing.T) {
	t.Parallel()
	h := NewHub(&Mux{}, slog.New(slog.DiscardHandler))
	s, far := session(t, h)
	go func() { _ = far.Write(t.Context(), websocket.MessageText, make([]byte, maxGreeting+1)) }() // refused half-way
	if _, err := s.Read(t.Context()); !errors.Is(err, websocket.ErrMessageTooBig) {
		t.Errorf("got %v", err)
	}
}

// TestSlowConsumer: a client that does not read loses what may be dropped, and
// the connection for what may not.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	h := NewHub(&Mux{}, slog.New(slog.DiscardHandler))
	s, _ := session(t, h)
	h.Welcome(s, []byte("hello"))
	s.written(-protocol.MaxBufferedBytes)
	for _, tc := range []struct {
		drop   bool
		queued int
		ends   bool
	}{{true, 1, false}, {false, 0, true}} {
		if err := h.Broadcast("tick", 1, Delivery{Drop: tc.drop}); err != nil {
			t.Fatal(err)
		}
		if len(s.queue) != tc.queued || (s.ending != nil) != tc.ends {
			t.Errorf("drop %v: %d queued, ending %+v", tc.drop, len(s.queue), s.ending)
		}
	}
	if s.ending.code != protocol.ClosePolicy || s.ending.reason != "slow consumer" {
		t.Errorf("ends with %+v", s.ending)
	}
}

// TestSeq: broadcasts are numbered while there are clients, those that a client
// may not see included; what is sent to one is not.
func TestSeq(t *testing.T) {
	t.Parallel()
	h := NewHub(&Mux{}, slog.New(slog.DiscardHandler))
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
	for _, frame := range s.queue {
		got = append(got, string(frame))
	}
	want := []string{"{}", `{"type":"event","event":"x","payload":null,"seq":1}`,
		`{"type":"event","event":"x","payload":null,"seq":3,"stateVersion":{"presence":1,"health":2}}`, `{"type":"event","event":"y","payload":null}`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
