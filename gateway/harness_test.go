package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "s3cret-token-of-the-tests"

// running is a gateway that serves until the test ends.
type running struct {
	url, dir string
	config   string // the file
	gateway  *gateway.Gateway
	socket   *os.File                // a second owner of the listening socket, as a supervisor is
	stop     context.CancelCauseFunc // asks it to end
	done     chan struct{}           // closed when it has
	err      error                   // valid then
}

// token is what the config holds now.
func (r *running) token(t *testing.T) string {
	t.Helper()
	s, err := config.Load(r.config, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.Config.Gateway.Auth.Token
}

func start(t *testing.T) *running { t.Helper(); return startWith(t, nil) }

// startWith starts one whose options are changed by change.
func startWith(t testing.TB, change func(*gateway.Options)) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cfg := filepath.Join(dir, "coderclaw.json")
	if err := os.WriteFile(cfg, config.Skeleton(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	none := func(string) (string, bool) { return "", false }
	load := func() (*config.Snapshot, error) { return config.Load(cfg, none) }
	snap, err := load()
	if err != nil {
		t.Fatal(err)
	}
	settings, err := auth.Resolve(snap.Config.Gateway, none, auth.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{url: "ws://" + l.Addr().String(), dir: dir, config: cfg, socket: socket, done: make(chan struct{})}
	ready := make(chan struct{})
	o := gateway.Options{
		Profile: "test", Instance: "i-1", StateDir: dir, ConfigPath: cfg, LogDir: filepath.Join(dir, "logs"),
		Port: l.Addr().(*net.TCPAddr).Port, Listeners: []net.Listener{l}, Config: snap, LoadConfig: load, Auth: settings,
		Version: "1.2.3", Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Ready: func() { close(ready) },
		Isolation: &protocol.Isolation{Mode: "strict", Landlock: 7, Applied: []string{"umask 077"}, Missing: []string{}},
	}
	if change != nil {
		change(&o)
	}
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.gateway = g
	ctx, stop := context.WithCancelCause(context.WithoutCancel(t.Context()))
	r.stop = stop
	go func() {
		defer close(r.done)
		r.err = g.Serve(ctx)
	}()
	<-ready
	t.Cleanup(func() {
		stop(nil)
		<-r.done
		if r.err != nil {
			t.Errorf("serve: %v", r.err)
		}
		socket.Close()
	})
	return r
}

// dial connects as the CLI does.
func (r *running) dial(t *testing.T, o client.Options) (*client.Client, error) {
	t.Helper()
	o.URL = r.url
	if o.Scopes == nil {
		o.Scopes = []string{"operator.admin"}
	}
	c, err := client.Dial(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func identity(t *testing.T) *client.Identity {
	t.Helper()
	id, err := client.LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
