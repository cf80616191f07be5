package rpc

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

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
