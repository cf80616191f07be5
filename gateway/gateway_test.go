package gateway_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

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
		return text(c.Call(t.Context(), method, nil, nil))
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
