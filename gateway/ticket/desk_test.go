package ticket

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coderclaw/coderclaw/internal/localsocket"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("TICKET_TEST_ASK"); dir != "" { // a tool that the gateway has started
		if _, err := NewClient(dir).Issue(context.Background()); err != nil {
			os.Stdout.WriteString(err.Error())
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// serve runs a desk whose gateway serves pages at here.
func serve(t *testing.T, d *Desk) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("nobody can be told from others here")
	}
	dir, err := os.MkdirTemp("", "t") // a short one
	if err != nil {
		t.Fatal(err)
	}
	l, err := localsocket.Listen(dir, SocketName)
	if err != nil {
		t.Fatal(err)
	}
	d.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- d.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	return dir
}

func TestDesk(t *testing.T) {
	t.Parallel()
	office := NewOffice("dev", time.Now)
	dir := serve(t, &Desk{Office: office, Origin: here, Home: here + "/", Enter: func(text string) string { return here + "/enter#" + text }})
	c := NewClient(dir)
	got, err := c.Issue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	link, err := url.Parse(got.URL)
	if err != nil || got.Profile != "dev" || got.Origin != here || got.Home != here+"/" || got.ExpiresAtMs == 0 || link.Path != "/enter" {
		t.Fatalf("%+v, %v", got, err)
	}
	waited := make(chan bool, 1)
	go func() {
		used, err := c.Wait(t.Context(), got)
		if err != nil {
			t.Error(err)
		}
		waited <- used
	}()
	if err := office.Redeem(link.Fragment, here); err != nil {
		t.Error(err)
	}
	if !<-waited {
		t.Error("a used ticket passes for unused")
	}
	if _, err := c.Wait(t.Context(), Ticket{URL: here + "#dev.x"}); err == nil || !strings.Contains(err.Error(), "not known") {
		t.Errorf("got %v", err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "TICKET_TEST_ASK="+dir)
	if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "runs below the gateway and gets no ticket") {
		t.Errorf("a tool of the gateway: %s, %v", out, err)
	}
}

func TestDeskWithoutUI(t *testing.T) {
	t.Parallel()
	dir := serve(t, &Desk{Office: NewOffice("", time.Now)})
	if _, err := NewClient(dir).Issue(t.Context()); err == nil || !strings.Contains(err.Error(), "gateway.controlUi.enabled") {
		t.Errorf("got %v", err)
	}
	if _, err := NewClient(t.TempDir()).Issue(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no gateway: %v", err)
	}
}

// TestDeskEnds: who waits for a ticket does not hold up the end of the gateway.
func TestDeskEnds(t *testing.T) {
	t.Parallel()
	var c *Client
	var got Ticket
	waited := make(chan struct{})
	t.Run("gateway", func(t *testing.T) {
		c = NewClient(serve(t, &Desk{Office: NewOffice("", time.Now), Origin: here, Enter: func(text string) string { return "#" + text }}))
		var err error
		if got, err = c.Issue(t.Context()); err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(waited)
			_, _ = c.Wait(context.Background(), got) // cut off, or told that nobody came
		}()
	})
	<-waited
}

func TestMayAsk(t *testing.T) {
	t.Parallel()
	ctx := func(p peer) context.Context { return context.WithValue(t.Context(), peerKey{}, p) }
	var mine peer
	mine.UID, mine.PID, mine.above = uint32(os.Getuid()), 4711, []int{4711, 1}
	root, other, gone, blind := mine, mine, mine, mine
	root.UID, other.UID = 0, uint32(os.Getuid())+1
	gone.above = nil
	blind.err = errors.New("cannot be told")
	for name, tc := range map[string]struct {
		ctx  context.Context
		want string
	}{
		"this user": {ctx(mine), ""}, "root": {ctx(root), ""}, "another user": {ctx(other), "only to user"}, "nobody at all": {t.Context(), "only to user"},
		"gone": {ctx(gone), "had ended"}, "blind": {ctx(blind), "cannot be told"},
	} {
		err := mayAsk(tc.ctx)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := mayAsk(withPeer(t.Context(), a)); err == nil {
		t.Error("a connection that is no socket may ask")
	}
}

func TestEntrance(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, origin, field string
		says                string // "" for a cookie
	}{
		{"good", here, "", ""},
		{"of another page", "http://evil.example", "", "own page only"},
		{"of no page", "", "", "own page only"},
		{"of a file", "null", "", "own page only"},
		{"of another profile", here, "rescue.x", `profile "rescue"`},
		{"unknown", here, "dev.x", "not known"},
		{"too long", here, strings.Repeat("x", 5000), "not a form"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			office := NewOffice("dev", time.Now)
			text, _ := office.Issue(here)
			if tc.field != "" {
				text = tc.field
			}
			e := &Entrance{Office: office, Log: slog.New(slog.DiscardHandler),
				Sessions: &Sessions{Key: func() []byte { return nil }, Secret: func() string { return "" }, Now: time.Now, User: UserOf}}
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(url.Values{FormField: {text}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Host = "127.0.0.1:18789"
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
			}
			cookie, err := e.Enter(httptest.NewRecorder(), r)
			if in := tc.says == ""; in != (err == nil) || in != (cookie != nil) {
				t.Fatalf("got %v, %v", cookie, err)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), text)) {
				t.Errorf("got %v", err)
			}
		})
	}
}
