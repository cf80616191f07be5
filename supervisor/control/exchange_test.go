//go:build unix

package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/supervisor/control"
)

// listen answers each connection with text and returns a client. It hands over what it was
// asked, and holds the connection until the client goes.
func listen(t *testing.T, text string) (c *control.Client, asked <-chan string) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	questions, done := make(chan string, 9), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed below
			}
			question := make([]byte, 4096)
			n, _ := conn.Read(question) // a client that is gone has asked nothing
			questions <- string(question[:n])
			_, _ = io.WriteString(conn, text)
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return control.New(l.Addr().String()), questions
}

func TestAskStatusAsksAtOnce(t *testing.T) {
	t.Parallel()
	c, asked := listen(t, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n"+`{"origin":"a"}`)
	wait := c.AskStatus(t.Context())
	if q := <-asked; !strings.HasPrefix(q, "GET /v1/status HTTP/1.1\r\n") {
		t.Errorf("asked %q", q)
	}
	if st, err := wait(); err != nil || st.Origin != "a" {
		t.Errorf("got %+v, %v", st, err)
	}
}

func TestAnswerThatIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"nothing": "", "half a head": "HTTP/1.1 200 OK\r\nConte", "half a body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"} {
		c, asked := listen(t, text)
		ctx, cancel := context.WithCancel(t.Context())
		wait := c.AskStatus(ctx)
		<-asked
		cancel()
		if _, err := wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, asked when ctx had ended: %v", name, err)
		}
	}
}

func TestAnswerThatIsNone(t *testing.T) {
	t.Parallel()
	c, _ := listen(t, "HTTP/1.1 200 OK\r\nA: "+strings.Repeat("a", 1<<20))
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a head without end: %v", err)
	}
	c, _ = listen(t, "220 mail\r\n")
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("another protocol: %v", err)
	}
	hung := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := hung.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a connection that is closed: %v", err)
	}
}

func TestAnswerLargerThanTheBoundOfItsHead(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("# a line of metrics\n", 10_000)
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, want) })
	var got bytes.Buffer
	if err := c.Metrics(t.Context(), "", &got); err != nil || got.String() != want {
		t.Errorf("got %d of %d bytes, %v", got.Len(), len(want), err)
	}
}
