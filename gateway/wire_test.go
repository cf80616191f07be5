package gateway_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// wire is a client that sends what it is told, right or wrong.
type wire struct {
	t     *testing.T
	conn  *websocket.Conn
	nonce string
}

// open connects and takes the challenge. A Host among the headers is the name of the host.
func (r *running) open(t *testing.T, header http.Header) *wire {
	t.Helper()
	return r.openBy(t, websocket.DialOptions{HTTPHeader: header, Host: header.Get("Host")})
}

// openBy is open in another way.
func (r *running) openBy(t *testing.T, how websocket.DialOptions) *wire {
	t.Helper()
	conn, res, err := websocket.Dial(t.Context(), r.url, &how)
	if err != nil {
		t.Fatal(err)
	}
	if ext := res.Header.Get("Sec-WebSocket-Extensions"); ext != "" {
		t.Errorf("the gateway agreed to %s", ext)
	}
	conn.SetReadLimit(protocol.MaxPayload)
	t.Cleanup(func() { _ = conn.CloseNow() })
	w := &wire{t: t, conn: conn}
	var e struct {
		Type, Event string
		Payload     protocol.Challenge
		Seq         *int64
	}
	w.next(&e)
	if e.Type != "event" || e.Event != "connect.challenge" || e.Seq != nil || e.Payload.Nonce == "" || e.Payload.TS == 0 {
		t.Fatalf("challenge %+v", e)
	}
	w.nonce = e.Payload.Nonce
	return w
}

// next decodes the next message.
func (w *wire) next(into any) {
	w.t.Helper()
	_, raw, err := w.conn.Read(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		w.t.Fatalf("%s: %v", raw, err)
	}
}

func (w *wire) send(kind websocket.MessageType, text string) {
	w.t.Helper()
	if err := w.conn.Write(w.t.Context(), kind, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

// answer skips events until the response comes.
func (w *wire) answer() (res protocol.Response) {
	w.t.Helper()
	for res.Type != "res" {
		res = protocol.Response{}
		w.next(&res)
	}
	return res
}

// ask makes one request and waits for its answer.
func (w *wire) ask(id, method string, params any) protocol.Response {
	w.t.Helper()
	w.post(id, method, params)
	return w.answer()
}

// post makes one request.
func (w *wire) post(id, method string, params any) {
	w.t.Helper()
	raw, err := json.Marshal(map[string]any{"type": "req", "id": id, "method": method, "params": params})
	if err != nil {
		w.t.Fatal(err)
	}
	w.send(websocket.MessageText, string(raw))
}

// closed reads on until the connection ends and tells how, and what was answered before.
func (w *wire) closed() (code websocket.StatusCode, reason string, answer *protocol.Error) {
	w.t.Helper()
	for {
		_, raw, err := w.conn.Read(w.t.Context())
		if c, ok := errors.AsType[websocket.CloseError](err); ok {
			return c.Code, c.Reason, answer
		}
		if err != nil {
			w.t.Fatal(err)
		}
		var res protocol.Response
		if err := json.Unmarshal(raw, &res); err != nil {
			w.t.Fatal(err)
		}
		if res.Type == "res" {
			answer = res.Error
		}
	}
}

// object is a JSON object that a test changes in one place.
type object = map[string]any

// with returns a copy of o that has, or with nil lacks, some keys.
func with(o object, changes object) object {
	c := maps.Clone(o)
	for k, v := range changes {
		if v == nil {
			delete(c, k)
		} else {
			c[k] = v
		}
	}
	return c
}

// plain is what the family's CLI sends, without a device.
func plain() object {
	return object{"minProtocol": 3, "maxProtocol": 3, "caps": []string{}, "role": "operator", "scopes": []string{"operator.admin"},
		"client": object{"id": "cli", "mode": "cli", "version": "dev", "platform": "linux", "instanceId": "i"}, "auth": object{"token": secret}}
}

// key is a device of the test.
type key struct{ ed25519.PrivateKey }

func newKey(t testing.TB) key {
	t.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key{k}
}

func (k key) public() ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// sign adds a device to params, which it signs for as they are.
func (k key) sign(params object, at time.Time, nonce string) object {
	text := func(o any, name string) string {
		m, _ := o.(object)
		s, _ := m[name].(string)
		return s
	}
	role, _ := params["role"].(string)
	if role == "" {
		role = protocol.RoleOperator
	}
	scopes, _ := params["scopes"].([]string)
	id := protocol.DeviceID(k.public())
	payload := protocol.DevicePayload(id, text(params["client"], "id"), text(params["client"], "mode"), role, scopes, at.UnixMilli(), text(params["auth"], "token"), nonce)
	device := object{"id": id, "publicKey": base64.RawURLEncoding.EncodeToString(k.public()), "signedAt": at.UnixMilli(),
		"signature": base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.PrivateKey, []byte(payload)))}
	if nonce != "" {
		device["nonce"] = nonce
	}
	return with(params, object{"device": device})
}
