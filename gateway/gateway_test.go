package gateway_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
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

func TestHello(t *testing.T) {
	t.Parallel()
	r := start(t)
	id := identity(t)
	c, err := r.dial(t, client.Options{Token: secret, Identity: id, Mode: "ui", ClientID: "gateway-client"})
	if err != nil {
		t.Fatal(err)
	}
	h := c.Hello()
	if h.Type != "hello-ok" || h.Protocol != 3 || h.Server.Version != "1.2.3" || h.Policy.MaxPayload != 26214400 ||
		h.Snapshot.AuthMode != "token" || h.Snapshot.StateDir != r.dir || h.Auth == nil || h.Auth.Role != "operator" || len(h.Snapshot.Presence) != 2 {
		t.Errorf("hello %+v", h)
	}
	for _, method := range h.Features.Methods {
		var result any
		err := c.Call(t.Context(), method, map[string]any{}, &result)
		if err != nil && !strings.Contains(err.Error(), "required") && !strings.Contains(err.Error(), "unauthorized role: operator") || err == nil && result == nil && method != "last-heartbeat" {
			t.Errorf("the announced method %s: %v, %v", method, result, err)
		}
	}
	// The token of the device lets it in without the shared one.
	if _, err := r.dial(t, client.Options{Identity: id}); err != nil {
		t.Errorf("with the device token: %v", err)
	}
}

func TestIdentityInHealth(t *testing.T) {
	t.Parallel()
	r := start(t)
	c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
	if err != nil {
		t.Fatal(err)
	}
	var h protocol.HealthSummary
	if err := c.Call(t.Context(), "health", nil, &h); err != nil {
		t.Fatal(err)
	}
	want := protocol.Identity{Profile: "test", Instance: "i-1", PID: os.Getpid(), Build: "1.2.3",
		Isolation: &protocol.Isolation{Mode: "strict", Landlock: 7, Applied: []string{"umask 077"}, Missing: []string{}}}
	if h.Coderclaw == nil || !reflect.DeepEqual(*h.Coderclaw, want) {
		t.Errorf("got %+v", h.Coderclaw)
	}
	if h.Sessions.Count != 0 || !h.OK || h.ChannelOrder[0] != "webchat" {
		t.Errorf("got %+v", h)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, tc := range map[string]struct {
		o    client.Options
		want string
	}{
		"wrong token, no device":  {client.Options{Token: "x"}, "unauthorized: gateway token mismatch (set gateway.remote.token to match gateway.auth.token)"},
		"wrong token, device":     {client.Options{Token: "x", Identity: identity(t)}, "unauthorized: device token mismatch (rotate/reissue device token)"},
		"no token, device":        {client.Options{Identity: identity(t)}, "unauthorized: gateway token missing (set gateway.remote.token to match gateway.auth.token)"},
		"nothing":                 {client.Options{}, "device identity required"},
		"password in token mode":  {client.Options{Password: "p"}, "unauthorized: gateway token missing (set gateway.remote.token to match gateway.auth.token)"},
		"bad role":                {client.Options{Token: secret, Role: "king"}, "invalid role"},
		"unknown client":          {client.Options{Token: secret, ClientID: "nobody"}, "invalid connect params: at /client/id: must be equal to constant; at /client/id: must match a schema in anyOf"},
		"control ui from nowhere": {client.Options{Token: secret, ClientID: protocol.ControlUI, Mode: "webchat"}, auth.OriginNotAllowed},
	} {
		_, err := r.dial(t, tc.o)
		refused, ok := errors.AsType[*client.RefusedError](err)
		if !ok || refused.Err.Message != tc.want || refused.Code != protocol.ClosePolicy {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	r := start(t)
	call := func(o client.Options, method string) string {
		o.Token = secret
		c, err := r.dial(t, o)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Call(t.Context(), method, nil, nil)
		if err == nil {
			return ""
		}
		return err.Error()
	}
	for _, tc := range []struct {
		o            client.Options
		method, want string
	}{
		{client.Options{Identity: identity(t)}, "no.such", "unknown method: no.such"},
		{client.Options{Identity: identity(t)}, "connect", "connect is only valid as the first request"},
		{client.Options{Identity: identity(t), Scopes: []string{"operator.read"}}, "health", ""},
		{client.Options{Identity: identity(t), Scopes: []string{"operator.write"}}, "health", ""},
		{client.Options{Identity: identity(t), Scopes: []string{"operator.pairing"}}, "health", "missing scope: operator.read"},
		{client.Options{Identity: identity(t), Scopes: []string{"operator.read"}}, "no.such", "missing scope: operator.admin"},
		{client.Options{}, "health", "missing scope: operator.read"}, // without a device no scope is granted
		{client.Options{Identity: identity(t), Role: "node", ClientID: "node-host", Mode: "node", Scopes: []string{}}, "health", "unauthorized role: node"},
		{client.Options{Identity: identity(t)}, "node.event", "unauthorized role: operator"},
	} {
		if got := call(tc.o, tc.method); got != tc.want {
			t.Errorf("%s with %v %s: got %q, want %q", tc.method, tc.o.Scopes, tc.o.Role, got, tc.want)
		}
	}
}

func TestParamsAreValidated(t *testing.T) {
	t.Parallel()
	r := start(t)
	c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
	if err != nil {
		t.Fatal(err)
	}
	for params, want := range map[string]string{
		`{"limit":0}`:                   "invalid logs.tail params: at /limit: must be >= 1",
		`{"limit":"5"}`:                 "invalid logs.tail params: at /limit: must be integer",
		`{"cursor":-1,"x":1}`:           "invalid logs.tail params: at root: unexpected property 'x'; at /cursor: must be >= 0",
		`{"limit":5001,"maxBytes":1.5}`: "invalid logs.tail params: at /limit: must be <= 5000; at /maxBytes: must be integer",
		`[]`:                            "invalid logs.tail params: must be object",
		`null`:                          "",
	} {
		err := c.Call(t.Context(), "logs.tail", json.RawMessage(params), nil)
		if got := text(err); got != want {
			t.Errorf("%s: got %q, want %q", params, got, want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestBadFrames walks the rows of the protocol's table of bad input.
func TestBadFrames(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, tc := range map[string]struct {
		frame  string
		code   websocket.StatusCode
		reason string
		answer string // text of the error response, "" when there is none
	}{
		"not JSON":       {"{", 1000, "", ""},
		"not a request":  {`{"type":"event","event":"x"}`, 1008, "invalid request frame", ""},
		"other method":   {`{"type":"req","id":"1","method":"health"}`, 1008, "invalid handshake: first request must be connect", "invalid handshake: first request must be connect"},
		"empty connect":  {`{"type":"req","id":"1","method":"connect","params":{}}`, 1008, "invalid connect params: must have required property 'minProtocol'; must have required property 'maxProtocol'; must have required property 'client'", "invalid connect params: must have required property 'minProtocol'; must have required property 'maxProtocol'; must have required property 'client'"},
		"newer protocol": {`{"type":"req","id":"1","method":"connect","params":{"minProtocol":4,"maxProtocol":4,"client":{"id":"cli","mode":"cli","version":"1","platform":"linux"}}}`, 1002, "protocol mismatch", "protocol mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, _, err := websocket.Dial(t.Context(), r.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			if err := conn.Write(t.Context(), websocket.MessageText, []byte(tc.frame)); err != nil {
				t.Fatal(err)
			}
			var answer string
			for {
				_, raw, err := conn.Read(t.Context())
				if closed, ok := errors.AsType[websocket.CloseError](err); ok {
					if closed.Code != tc.code {
						t.Errorf("closed with %d, want %d", closed.Code, tc.code)
					}
					checkReason(t, closed.Code, closed.Reason, tc.reason)
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				var res protocol.Response
				if err := json.Unmarshal(raw, &res); err != nil {
					t.Fatal(err)
				}
				if res.Type == "res" {
					answer = res.Error.Message
				}
			}
			if answer != tc.answer {
				t.Errorf("answered %q, want %q", answer, tc.answer)
			}
		})
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	r := start(t)
	base := strings.Replace(r.url, "ws://", "http://", 1)
	get := func(path, host string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, strings.TrimSpace(string(body))
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	for _, tc := range []struct {
		path, host string
		code       int
		body       string
	}{
		{"/healthz", "", 200, `{"ok":true,"status":"live"}`},
		{"/readyz", "", 200, `{"instance":"i-1","ready":true}`},
		{"/none", "", 404, "404 page not found"},
		{"/healthz", "evil.example", 403, "this gateway answers only to names of this machine; add the origin to gateway.controlUi.allowedOrigins"},
	} {
		if code, body := get(tc.path, tc.host); code != tc.code || body != tc.body {
			t.Errorf("%s for %q: %d %s", tc.path, tc.host, code, body)
		}
	}
}

// TestShutdown: every client hears of the end before its connection closes with 1012.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cause error
		want  string
	}{
		"stop":    {nil, `{"reason":"gateway stopping","restartExpectedMs":null}`},
		"restart": {gateway.ErrRestart, `{"reason":"gateway restarting","restartExpectedMs":1500}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			const clients = 10
			got := make(chan string, clients)
			var all []*client.Client
			for range clients {
				c, err := r.dial(t, client.Options{Token: secret, OnEvent: func(e protocol.Event) {
					if e.Event == "shutdown" {
						if e.Seq == nil {
							t.Error("a broadcast without a number")
						}
						got <- string(e.Payload)
					}
				}})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, c)
			}
			r.stop(tc.cause)
			for _, c := range all {
				<-c.Done()
				err := c.Call(t.Context(), "health", nil, nil)
				if closed, ok := errors.AsType[*client.CloseError](err); !ok || closed.Code != 1012 || closed.Reason != "service restart" {
					t.Errorf("closed with %v", err)
				}
			}
			for range clients {
				if payload := <-got; payload != tc.want {
					t.Errorf("shutdown %s", payload)
				}
			}
			<-r.done
		})
	}
}

// TestDrainAnswersAll: while clients connect in loops, the end of the gateway
// answers everybody whom it accepted and leaves the others in the queue.
func TestDrainAnswersAll(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var once sync.Once
	warm := make(chan struct{})
	for range 8 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c, err := client.Dial(ctx, client.Options{URL: r.url, Token: secret})
				if err == nil {
					c.Close()
				} else if ctx.Err() == nil {
					t.Errorf("connect %d: %v", n, err)
					return
				}
				if n == 5 {
					once.Do(func() { close(warm) })
				}
			}
		})
	}
	<-warm
	r.stop(gateway.ErrRestart)
	<-r.done
	cancel() // those who wait in the queue of the socket give up; nobody was refused or reset
	clients.Wait()
}

func TestDevicePairingBroadcast(t *testing.T) {
	t.Parallel()
	r := start(t)
	heard := make(chan protocol.PairResolvedEvent, 4)
	_, err := r.dial(t, client.Options{Token: secret, Identity: identity(t), OnEvent: func(e protocol.Event) {
		if e.Event == "device.pair.resolved" {
			var p protocol.PairResolvedEvent
			if err := json.Unmarshal(e.Payload, &p); err != nil {
				t.Error(err)
			}
			heard <- p
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	other := identity(t)
	if _, err := r.dial(t, client.Options{Token: secret, Identity: other}); err != nil {
		t.Fatal(err)
	}
	if p := <-heard; p.DeviceID != other.ID() || p.Decision != "approved" {
		t.Errorf("got %+v", p)
	}
}

func TestPresenceOnDisconnect(t *testing.T) {
	t.Parallel()
	r := start(t)
	heard := make(chan protocol.Event, 16)
	_, err := r.dial(t, client.Options{Token: secret, OnEvent: func(e protocol.Event) {
		if e.Event == "presence" {
			heard <- e
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ui, err := r.dial(t, client.Options{Token: secret, Identity: identity(t), ClientID: "gateway-client", Mode: "ui", DisplayName: "desk"})
	if err != nil {
		t.Fatal(err)
	}
	ui.Close()
	e := <-heard
	var p protocol.PresenceEvent
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, entry := range p.Presence {
		found = found || entry.Host == "desk" && entry.Reason == "disconnect" && entry.Text == "Node: desk · mode ui"
	}
	if !found || e.StateVersion == nil || e.Seq == nil {
		t.Errorf("got %s", e.Payload)
	}
}

func TestManyRequestsAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 200 { // more at once than the gateway carries out at once
		wg.Go(func() {
			if err := c.Call(t.Context(), "status", nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestRemoteDeviceMustBePaired: a device that does not connect from this machine
// waits for somebody's approval, whatever secret it has.
func TestRemoteDeviceMustBePaired(t *testing.T) {
	t.Parallel()
	r := start(t)
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, _, err := websocket.Dial(t.Context(), r.url, &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {"198.51.100.7"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	var ev struct{ Payload protocol.Challenge }
	if err := wsjson.Read(t.Context(), conn, &ev); err != nil {
		t.Fatal(err)
	}
	id, now := protocol.DeviceID(pub), time.Now().UnixMilli()
	payload := protocol.DevicePayload(id, "cli", "cli", "operator", []string{"operator.read"}, now, secret, ev.Payload.Nonce)
	params, err := json.Marshal(protocol.ConnectParams{MinProtocol: 3, MaxProtocol: 3, Scopes: []string{"operator.read"},
		Client: protocol.ClientInfo{ID: "cli", Mode: "cli", Version: "1", Platform: "linux"}, Auth: &protocol.ConnectAuth{Token: secret},
		Device: &protocol.Device{ID: id, PublicKey: protocol.FormatPublicKey(pub), Signature: protocol.Sign(key, payload), SignedAt: now, Nonce: ev.Payload.Nonce}})
	if err != nil {
		t.Fatal(err)
	}
	if err := wsjson.Write(t.Context(), conn, protocol.Request{Type: "req", ID: "1", Method: "connect", Params: params}); err != nil {
		t.Fatal(err)
	}
	var res protocol.Response
	if err := wsjson.Read(t.Context(), conn, &res); err != nil {
		t.Fatal(err)
	}
	details, _ := res.Error.Details.(map[string]any)
	if res.OK || res.Error.Code != protocol.CodeNotPaired || res.Error.Message != "pairing required" || details["requestId"] == "" {
		t.Errorf("answered %+v, %+v", res, res.Error)
	}
	_, _, err = conn.Read(t.Context())
	want, _ := details["requestId"].(string)
	if closed, ok := errors.AsType[websocket.CloseError](err); !ok || closed.Code != 1008 || closed.Reason != "pairing required [coderclaw --profile test devices approve "+want+"]" {
		t.Errorf("closed with %v", err)
	}
}
