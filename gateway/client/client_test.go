package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"go.uber.org/goleak"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve is a gateway of a few lines: it greets, then answers as told.
func serve(t *testing.T, after func(context.Context, *websocket.Conn)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		ctx := r.Context()
		_ = wsjson.Write(ctx, conn, map[string]any{"type": "event", "event": "connect.challenge", "payload": map[string]any{"nonce": "n", "ts": 1}})
		var req protocol.Request
		if wsjson.Read(ctx, conn, &req) != nil {
			return
		}
		_ = wsjson.Write(ctx, conn, map[string]any{"type": "res", "id": req.ID, "ok": true, "payload": map[string]any{"type": "hello-ok", "protocol": 3}})
		after(ctx, conn)
	}))
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "http", "ws", 1)
}

func TestIdentityIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := serve(t, func(context.Context, *websocket.Conn) {})
	introduce := func(id *client.Identity) {
		t.Helper()
		conn, err := client.Dial(t.Context(), client.Options{URL: url, Identity: id})
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close() // the other end may be gone
		if conn.DeviceID() != id.ID() {
			t.Errorf("connected as %s, not %s", conn.DeviceID(), id.ID())
		}
	}
	a, err := client.LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	late, err := client.LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Dial(t.Context(), client.Options{URL: "ws://127.0.0.1:1", Identity: a}); err == nil {
		t.Error("somebody answers on port 1")
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("kept before anybody was told of it: %v", files)
	}
	introduce(a)
	file := filepath.Join(dir, "identity", "device.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	b, err := client.LoadIdentity(dir)
	if err != nil || a.ID() != b.ID() || len(a.ID()) != 64 {
		t.Errorf("%s, then %s, %v", a.ID(), b.ID(), err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), a.ID(), "wrong", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := client.LoadIdentity(dir); err != nil || c.ID() != a.ID() {
		t.Errorf("a wrong name is not corrected: %v", err)
	}
	if err := os.WriteFile(file, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := client.LoadIdentity(dir)
	if err != nil || d.ID() == a.ID() {
		t.Errorf("a lost key: %v", err)
	}
	introduce(d)
	if e, err := client.LoadIdentity(dir); err != nil || e.ID() != d.ID() {
		t.Errorf("not kept in the place of nonsense: %v", err)
	}
	if introduce(late); late.ID() != d.ID() {
		t.Error("two that began at once are two devices")
	}
	if files, err := os.ReadDir(filepath.Dir(file)); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// TestCallGivesUpAlone: a caller that gives up leaves the connection as it is.
func TestCallGivesUpAlone(t *testing.T) {
	t.Parallel()
	url := serve(t, func(ctx context.Context, conn *websocket.Conn) {
		for {
			var req protocol.Request
			if wsjson.Read(ctx, conn, &req) != nil {
				return
			}
			if req.Method != "never" {
				_ = wsjson.Write(ctx, conn, map[string]any{"type": "res", "id": req.ID, "ok": true, "payload": req.Method})
			}
		}
	})
	c, err := client.Dial(t.Context(), client.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Call(ctx, "never", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	var got string
	if err := c.Call(t.Context(), "echo", nil, &got); err != nil || got != "echo" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Call(t.Context(), "echo", nil, nil); err == nil {
		t.Error("called after the end")
	}
}

// late is a context that is looked at only once the connection has ended.
type late struct {
	context.Context
	ended <-chan struct{}
}

func (l late) Done() <-chan struct{} {
	<-l.ended
	return l.Context.Done()
}

// TestLastAnswer: an answer that comes just before the end of the connection is not lost
// when its caller gets to look for it only after both.
func TestLastAnswer(t *testing.T) {
	t.Parallel()
	url := serve(t, func(ctx context.Context, conn *websocket.Conn) {
		var req protocol.Request
		if wsjson.Read(ctx, conn, &req) == nil {
			_ = wsjson.Write(ctx, conn, map[string]any{"type": "res", "id": req.ID, "ok": true, "payload": "said"})
			_ = conn.Close(websocket.StatusServiceRestart, "service restart")
		}
	})
	for range 20 { // of what is there at once, any may be taken first
		c, err := client.Dial(t.Context(), client.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := c.Call(late{t.Context(), c.Done()}, "say", nil, &got); err != nil || got != "said" {
			t.Errorf("got %q, %v", got, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDialFailures(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := client.Dial(t.Context(), client.Options{URL: "ws://" + l.Addr().String()}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
	quiet, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	if _, err := client.Dial(t.Context(), client.Options{URL: "ws://" + quiet.Addr().String(), Fingerprint: strings.Repeat("0", 64)}); err == nil || !strings.Contains(err.Error(), "not encrypted") {
		t.Errorf("a certificate is insisted on without encryption: %v", err)
	}
	if _, err := client.Dial(t.Context(), client.Options{URL: "ws://" + quiet.Addr().String(), Timeout: 50 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestFollow connects again after a restart, and ends with what is permanent.
func TestFollow(t *testing.T) {
	t.Parallel()
	url := serve(t, func(_ context.Context, conn *websocket.Conn) {
		_ = conn.Close(websocket.StatusServiceRestart, "service restart")
	})
	errEnough := errors.New("enough")
	connects := 0
	err := client.Follow(t.Context(), func(ctx context.Context) (*client.Client, error) {
		connects++
		return client.Dial(ctx, client.Options{URL: url})
	}, func(_ context.Context, c *client.Client) error {
		<-c.Done()
		if connects == 3 {
			return client.Permanent(errEnough)
		}
		return errors.New("closed")
	})
	if err != errEnough || connects != 3 {
		t.Errorf("%d connects, %v", connects, err)
	}
}
