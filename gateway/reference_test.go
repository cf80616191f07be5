package gateway_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// schemas compiles parts of what is handed out as the JSON Schema.
type schemas struct {
	t *testing.T
	c *jsonschema.Compiler
}

func newSchemas(t *testing.T) schemas {
	t.Helper()
	raw, err := gateway.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	return schemas{t, c}
}

// fits holds a text against the part of the schema at a JSON pointer.
func (s schemas) fits(pointer string, raw json.RawMessage) {
	s.t.Helper()
	part, err := s.c.Compile("schema.json#" + pointer)
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		s.t.Fatalf("%s: %v", raw, err)
	}
	if err := part.Validate(v); err != nil {
		s.t.Errorf("%s: %.2000s: %v", pointer, raw, err)
	}
}

// frame holds a frame that the gateway sent, and what it carries, against the schema.
// asked are the methods of the requests, by their ids.
func (s schemas) frame(raw json.RawMessage, asked map[string]string) (f struct {
	Type, Event, ID string
	OK              bool
	Payload         json.RawMessage
	Error           *protocol.Error
}) {
	s.t.Helper()
	if err := json.Unmarshal(raw, &f); err != nil {
		s.t.Fatal(err)
	}
	s.fits("/frames/"+f.Type, raw)
	switch {
	case f.Type == protocol.TypeEvent:
		s.fits("/events/"+f.Event+"/payload", f.Payload)
	case f.OK && strings.Contains(string(f.Payload), `"status":"accepted"`):
		s.fits("/methods/"+asked[f.ID]+"/earlyResult", f.Payload)
	case f.OK:
		s.fits("/methods/"+asked[f.ID]+"/result", f.Payload)
	case f.Error == nil || f.Error.Message == "" || f.Error.Code == "":
		s.t.Errorf("a failure without an error: %s", raw)
	}
	return f
}

// TestEverythingFitsTheSchema: what every method answers and what every event carries
// is as the schema says.
func TestEverythingFitsTheSchema(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := newSchemas(t)
	w := r.open(t, nil)
	k := newKey(t)
	if res := w.ask("c", "connect", k.sign(with(plain(), object{"client": object{"id": "gateway-client", "mode": "ui", "version": "1", "platform": "x"}}), time.Now(), w.nonce)); !res.OK {
		t.Fatal(res.Error)
	}
	far := r.fromAfar(t).open(t, nil)
	far.post("c", "connect", newKey(t).sign(plain(), time.Now(), far.nonce)) // asks to be paired
	far.closed()

	device := protocol.DeviceID(k.public())
	asked := map[string]string{}
	missing := map[string]bool{"heartbeat": true, "presence": true, "health": true, "node.pair.requested": true, "exec.approval.requested": true}
	list := json.RawMessage(`{"version":1,"defaults":{"security":"deny"},"agents":{"*":{"allowlist":[{"pattern":"/bin/true"}]}}}`)
	for _, q := range []struct {
		method string
		params object
		fails  bool
	}{
		{"health", object{"probe": true}, false}, {"status", nil, false}, {"logs.tail", object{"limit": 5}, false}, {"channels.status", object{"probe": true}, false},
		{"config.get", nil, false}, {"exec.approvals.get", nil, false}, {"exec.approvals.set", object{"file": list}, true},
		{"exec.approval.request", object{"command": "x", "timeoutMs": 1, "twoPhase": true}, false}, {"exec.approval.resolve", object{"id": "x", "decision": "deny"}, true},
		{"last-heartbeat", nil, false}, {"set-heartbeats", object{"enabled": true}, false}, {"wake", object{"mode": "now", "text": "x"}, false},
		{"system-event", object{"text": "Node: desk (10.0.0.2) · app 1 · last input 5s ago · mode ui · reason x", "tags": []string{"a"}}, false},
		{"system-presence", nil, false}, {"node.pair.request", object{"nodeId": "n"}, false}, {"node.pair.list", nil, false},
		{"node.pair.verify", object{"nodeId": "n", "token": "x"}, false}, {"node.pair.approve", object{"requestId": "x"}, true}, {"node.list", nil, false},
		{"node.describe", object{"nodeId": "x"}, true}, {"device.pair.list", nil, false},
		{"device.token.rotate", object{"deviceId": device, "role": "operator"}, false}, {"device.token.revoke", object{"deviceId": device, "role": "operator"}, false},
		{"node.invoke", object{"nodeId": "x", "command": "y", "idempotencyKey": "z"}, true},
	} {
		asked[q.method] = q.method
		w.post(q.method, q.method, q.params)
		for {
			f := s.frame(w.raw(), asked)
			delete(missing, f.Event)
			if f.Type == protocol.TypeResponse && f.ID == q.method {
				if f.OK == q.fails {
					t.Errorf("%s: %+v", q.method, f.Error)
				}
				if q.method != "exec.approval.request" || !strings.Contains(string(f.Payload), "accepted") {
					break
				}
			}
		}
	}
	for len(missing) > 0 {
		delete(missing, s.frame(w.raw(), asked).Event)
	}
}

// raw is the next message as it was sent.
func (w *wire) raw() json.RawMessage {
	w.t.Helper()
	kind, raw, err := w.conn.Read(w.t.Context())
	if err != nil || kind != websocket.MessageText {
		w.t.Fatalf("kind %v, %v", kind, err)
	}
	return raw
}

// TestReferenceIsWhole: what is described is what a gateway has that sees to others.
func TestReferenceIsWhole(t *testing.T) {
	t.Parallel()
	c, err := rescuing(t, &fakeSupervisor{}).dial(t, client.Options{Token: secret})
	if err != nil {
		t.Fatal(err)
	}
	methods, events := gateway.Reference()
	var names []string
	for _, m := range methods {
		names = append(names, m.Name)
	}
	if got := c.Hello().Features; !slices.Equal(got.Methods, names) || !slices.Equal(got.Events, events) {
		t.Errorf("the gateway has %v, described are %v and %v", got, names, events)
	}
}
