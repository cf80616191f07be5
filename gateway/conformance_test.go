package gateway_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

const (
	tokenHint = "set gateway.remote.token to match gateway.auth.token"
	uiHint    = "open the dashboard URL and paste the token in Control UI settings"
	badOrigin = "origin not allowed (open the Control UI from the gateway host or allow it in gateway.controlUi.allowedOrigins)"
)

// TestConnectOrder walks the order of the checks of a connect: each row is wrong in
// its own way and in those of later rows, and must be refused for the first.
func TestConnectOrder(t *testing.T) {
	t.Parallel()
	r := start(t)
	ui := object{"id": "openclaw-control-ui", "mode": "webchat", "version": "1", "platform": "web"}
	wrongToken := object{"token": "x"}
	k := newKey(t)
	far := r.fromAfar(t)
	for _, tc := range []struct {
		name   string
		at     *running
		params func(nonce string) object
		header http.Header
		code   websocket.StatusCode
		want   string
	}{
		{"schema", r, func(string) object {
			return with(plain(), object{"minProtocol": 9, "maxProtocol": 9, "client": nil, "role": "king", "more": 1})
		}, nil, 1008, "invalid connect params: must have required property 'client'; at root: unexpected property 'more'"},
		{"schema: enum", r, func(string) object {
			return with(plain(), object{"client": object{"id": "stranger", "mode": "cli", "version": "1", "platform": "x"}})
		}, nil, 1008, "invalid connect params: at /client/id: must be equal to constant; at /client/id: must match a schema in anyOf"},
		{"schema: closed device", r, func(string) object {
			return with(plain(), object{"device": object{"id": "a", "publicKey": "b", "signature": "c", "signedAt": -1}})
		}, nil, 1008, "invalid connect params: at /device/signedAt: must be >= 0"},
		{"version above", r, func(string) object { return with(plain(), object{"minProtocol": 4, "maxProtocol": 5, "role": "king"}) }, nil, 1002, "protocol mismatch"},
		{"version below", r, func(string) object { return with(plain(), object{"minProtocol": 1, "maxProtocol": 2, "role": "king"}) }, nil, 1002, "protocol mismatch"},
		{"role", r, func(string) object { return with(plain(), object{"role": "king", "client": ui, "auth": wrongToken}) }, nil, 1008, "invalid role"},
		{"origin missing", r, func(string) object { return with(plain(), object{"client": ui, "auth": wrongToken}) }, nil, 1008, badOrigin},
		{"origin foreign", r, func(string) object { return with(plain(), object{"client": ui, "auth": wrongToken}) },
			http.Header{"Origin": {"https://evil.example"}}, 1008, badOrigin},
		{"control ui without device", r, func(string) object { return with(plain(), object{"client": ui}) },
			http.Header{"Origin": {"http://localhost:1"}}, 1008, "control ui requires HTTPS or localhost (secure context)"},
		{"no device, wrong secret", r, func(string) object { return with(plain(), object{"auth": wrongToken}) }, nil, 1008,
			"unauthorized: gateway token mismatch (" + tokenHint + ")"},
		{"no device, no secret", r, func(string) object { return with(plain(), object{"auth": nil}) }, nil, 1008, "device identity required"},
		{"device of another key", r, func(n string) object {
			p := k.sign(with(plain(), object{"auth": wrongToken}), time.Unix(1, 0), "other")
			d := p["device"].(object)
			return with(p, object{"device": with(d, object{"id": "00"})})
		}, nil, 1008, "device identity mismatch"},
		{"device signed long ago", r, func(string) object {
			return k.sign(with(plain(), object{"auth": wrongToken}), time.Now().Add(-11*time.Minute), "other")
		}, nil, 1008, "device signature expired"},
		{"device signed in the future", r, func(n string) object { return k.sign(plain(), time.Now().Add(11*time.Minute), n) }, nil, 1008, "device signature expired"},
		{"device without nonce, from afar", far, func(string) object { return k.sign(plain(), time.Now(), "") }, nil, 1008, "device nonce required"},
		{"device with another nonce", r, func(string) object { return k.sign(plain(), time.Now(), "other") }, nil, 1008, "device nonce mismatch"},
		{"device with another signature", r, func(n string) object {
			return with(k.sign(plain(), time.Now(), n), object{"scopes": []string{"operator.read"}})
		}, nil, 1008, "device signature invalid"},
		{"device, wrong secret", r, func(n string) object { return k.sign(with(plain(), object{"auth": wrongToken}), time.Now(), n) }, nil, 1008,
			"unauthorized: device token mismatch (rotate/reissue device token)"},
		{"device, no secret", r, func(n string) object { return k.sign(with(plain(), object{"auth": nil}), time.Now(), n) }, nil, 1008,
			"unauthorized: gateway token missing (" + tokenHint + ")"},
		{"not paired", far, func(n string) object { return k.sign(plain(), time.Now(), n) }, nil, 1008, "pairing required"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := tc.at.open(t, tc.header)
			w.post("1", "connect", tc.params(w.nonce))
			code, reason, answer := w.closed()
			if code != tc.code || answer == nil || answer.Message != tc.want {
				t.Fatalf("closed with %d, answer %+v; want %d %q", code, answer, tc.code, tc.want)
			}
			checkReason(t, code, reason, tc.want)
			wantCode := protocol.CodeInvalidRequest
			if tc.want == "pairing required" || tc.want == "device identity required" {
				wantCode = protocol.CodeNotPaired
			}
			if answer.Code != wantCode {
				t.Errorf("code %s", answer.Code)
			}
		})
	}
}

// TestWhoGetsIn walks the ways that lead in, and which scopes they leave.
func TestWhoGetsIn(t *testing.T) {
	t.Parallel()
	r := start(t)
	k := newKey(t)
	for _, tc := range []struct {
		name   string
		params func(nonce string) object
		wide   bool // it may administer afterwards
	}{
		{"secret without device", func(string) object { return plain() }, false},
		{"device, second version", func(n string) object { return k.sign(plain(), time.Now(), n) }, true},
		{"device, first version, from here", func(string) object { return k.sign(plain(), time.Now(), "") }, true},
		{"without role", func(n string) object { return k.sign(with(plain(), object{"role": nil}), time.Now(), n) }, true},
		{"sibling of another brand", func(n string) object {
			return k.sign(with(plain(), object{"client": object{"id": "openclaw-macos", "mode": "ui", "version": "1", "platform": "macos"}}), time.Now(), n)
		}, true},
		{"a range of versions", func(n string) object {
			return k.sign(with(plain(), object{"minProtocol": 1, "maxProtocol": 9}), time.Now(), n)
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := r.open(t, nil)
			res := w.ask("c", "connect", tc.params(w.nonce))
			if !res.OK || res.ID != "c" {
				t.Fatalf("%+v %+v", res, res.Error)
			}
			res = w.ask("2", "config.get", object{})
			if res.OK != tc.wide {
				t.Errorf("config.get: %v %+v", res.OK, res.Error)
			}
		})
	}
}

// TestFramesAfterHello walks the bad input after the handshake: each is answered
// or ignored, and the connection goes on.
func TestFramesAfterHello(t *testing.T) {
	t.Parallel()
	r := start(t)
	w := r.open(t, nil)
	k := newKey(t)
	if res := w.ask("c", "connect", k.sign(plain(), time.Now(), w.nonce)); !res.OK {
		t.Fatal(res.Error)
	}
	for _, tc := range []struct{ name, frame, id, want string }{
		{"a response", `{"type":"res","id":"r","ok":true}`, "r", "invalid request frame: "},
		{"an event", `{"type":"event","event":"x"}`, "invalid", "invalid request frame: "},
		{"no method", `{"type":"req","id":"m"}`, "m", "invalid request frame: "},
		{"an empty id", `{"type":"req","id":"","method":"health"}`, "", "invalid request frame: "},
		{"one key too many", `{"type":"req","id":"k","method":"health","more":1}`, "k", "invalid request frame: "},
		{"connect again", `{"type":"req","id":"a","method":"connect","params":{}}`, "a", "connect is only valid as the first request"},
		{"unknown method", `{"type":"req","id":"u","method":"no.such"}`, "u", "unknown method: no.such"},
		{"a node's method", `{"type":"req","id":"n","method":"node.event"}`, "n", "unauthorized role: operator"},
		{"bad parameters", `{"type":"req","id":"p","method":"logs.tail","params":{"limit":0,"more":1}}`, "p",
			"invalid logs.tail params: at root: unexpected property 'more'; at /limit: must be >= 1"},
	} {
		w.send(websocket.MessageText, "{ this is no JSON, and is ignored")
		w.send(websocket.MessageText, tc.frame)
		res := w.answer()
		if res.OK || res.Error == nil || res.Error.Code != protocol.CodeInvalidRequest || !strings.HasPrefix(res.Error.Message, tc.want) || res.ID != tc.id && tc.id != "" {
			t.Errorf("%s: %q %+v", tc.name, res.ID, res.Error)
		}
	}
	for _, params := range []string{``, `,"params":null`, `,"params":{}`} {
		w.send(websocket.MessageBinary, `{"type":"req","id":"b","method":"logs.tail"`+params+`}`)
		if res := w.answer(); !res.OK || res.ID != "b" {
			t.Errorf("a binary frame with %q: %+v", params, res.Error)
		}
	}
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() { // it may be cut off before all is sent
		_ = w.conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"req","id":"big","method":"health","params":{"x":"`+strings.Repeat("x", protocol.MaxPayload)+`"}}`))
	})
	if code, _, _ := w.closed(); code != 1009 {
		t.Errorf("a frame that is too large: closed with %d", code)
	}
}

// TestUnauthorized walks the texts by which a secret is refused, for each kind of client.
func TestUnauthorized(t *testing.T) {
	t.Parallel()
	cli := object{"id": "cli", "mode": "cli", "version": "1", "platform": "x"}
	ui := object{"id": "webchat-ui", "mode": "webchat", "version": "1", "platform": "x"}
	other := object{"id": "gateway-client", "mode": "backend", "version": "1", "platform": "x"}
	for _, mode := range []struct {
		name, wrong string
		hints       map[string]string
	}{
		{"token", "gateway token", map[string]string{"cli": tokenHint, "webchat-ui": uiHint, "gateway-client": "provide gateway auth token"}},
		{"password", "gateway password", map[string]string{"cli": "set gateway.remote.password to match gateway.auth.password",
			"webchat-ui": "enter the password in Control UI settings", "gateway-client": "provide gateway auth password"}},
	} {
		r := startWith(t, func(o *gateway.Options) { o.Auth.Mode, o.Auth.Token, o.Auth.Password = mode.name, secret, secret })
		for _, client := range []object{cli, ui, other} {
			t.Run(mode.name+" "+client["id"].(string), func(t *testing.T) {
				t.Parallel()
				hint := mode.hints[client["id"].(string)]
				for reason, auth := range map[string]object{"mismatch": {mode.name: "x"}, "missing": {}} {
					w := r.open(t, http.Header{"Origin": {"http://127.0.0.1:1"}})
					p := with(plain(), object{"client": client, "auth": auth})
					if reason == "missing" { // without a secret and a device the device is asked for first
						p = newKey(t).sign(p, time.Now(), w.nonce)
					}
					w.post("1", "connect", p)
					code, _, answer := w.closed()
					want := "unauthorized: " + mode.wrong + " " + reason + " (" + hint + ")"
					if code != 1008 || answer == nil || answer.Message != want {
						t.Errorf("closed with %d, answer %+v, want %q", code, answer, want)
					}
				}
			})
		}
	}
	locked := startWith(t, func(o *gateway.Options) {
		o.Auth.RateLimit = &config.RateLimit{MaxAttempts: 1, Window: time.Hour, Lockout: time.Hour}
	})
	var last *protocol.Error
	for range 2 {
		w := locked.open(t, nil)
		w.post("1", "connect", with(plain(), object{"auth": object{"token": "x"}}))
		_, _, last = w.closed()
	}
	if last == nil || last.Message != "unauthorized: too many failed authentication attempts (retry later)" {
		t.Errorf("the second guess: %+v", last)
	}
}
