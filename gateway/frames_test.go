package gateway_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestErrorCodes: a client tells what went wrong by the code.
func TestErrorCodes(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := newSchemas(t)
	w := r.open(t, nil)
	k := newKey(t)
	if res := w.ask("c", "connect", k.sign(plain(), time.Now(), w.nonce)); !res.OK {
		t.Fatal(res.Error)
	}
	for _, tc := range []struct {
		method, params, code, text string
	}{
		{"logs.tail", `{"x":1}`, "INVALID_REQUEST", "invalid logs.tail params: at root: unexpected property 'x'"},
		{"logs.tail", `7`, "INVALID_REQUEST", "invalid logs.tail params: must be object"},
		{"no.such", `{}`, "INVALID_REQUEST", "unknown method: no.such"},
		{"node.event", `{}`, "INVALID_REQUEST", "unauthorized role: operator"},
		{"system-event", `{}`, "INVALID_REQUEST", "text required"},
		{"device.pair.approve", `{"requestId":"x"}`, "INVALID_REQUEST", "unknown requestId"},
		{"device.pair.remove", `{"deviceId":"x"}`, "INVALID_REQUEST", "unknown deviceId"},
		{"device.token.revoke", `{"deviceId":"x","role":"y"}`, "INVALID_REQUEST", "unknown deviceId/role"},
		{"node.describe", `{"nodeId":"x"}`, "INVALID_REQUEST", "unknown nodeId"},
		{"exec.approval.resolve", `{"id":"x","decision":"deny"}`, "INVALID_REQUEST", "unknown approval id"},
		{"exec.approval.resolve", `{"id":"x","decision":"perhaps"}`, "INVALID_REQUEST", "invalid decision"},
		{"node.invoke", `{"nodeId":"x","command":"y","idempotencyKey":""}`, "INVALID_REQUEST", "invalid node.invoke params: at /idempotencyKey: must NOT have fewer than 1 characters"},
		{"node.invoke", `{"nodeId":"x","command":"y","idempotencyKey":"z"}`, "UNAVAILABLE", "node not connected"},
		{"exec.approvals.node.get", `{"nodeId":"x"}`, "UNAVAILABLE", "node not connected"},
	} {
		w.post("q", tc.method, json.RawMessage(tc.params))
		for {
			raw := w.raw()
			f := s.frame(raw, nil)
			if f.Type != protocol.TypeResponse {
				continue
			}
			if f.OK || f.Error.Code != tc.code || f.Error.Message != tc.text || f.Error.Retryable || f.Error.RetryAfterMs != 0 {
				t.Errorf("%s %s: %s", tc.method, tc.params, raw)
			}
			break
		}
	}
}

// TestAnswersOvertake: a request that takes long does not hold up the next.
func TestAnswersOvertake(t *testing.T) {
	t.Parallel()
	r := start(t)
	w := r.open(t, nil)
	if res := w.ask("c", "connect", newKey(t).sign(plain(), time.Now(), w.nonce)); !res.OK {
		t.Fatal(res.Error)
	}
	w.post("slow", "exec.approval.request", object{"id": "1", "command": "x", "twoPhase": true})
	if res := w.answer(); res.ID != "slow" || !res.OK {
		t.Fatalf("the first of two answers: %+v", res)
	}
	w.post("quick", "health", nil)
	w.post("ends it", "exec.approval.resolve", object{"id": "1", "decision": "deny"})
	var order []string
	for len(order) < 3 {
		order = append(order, w.answer().ID)
	}
	if i, j := slices.Index(order, "quick"), slices.Index(order, "slow"); i < 0 || j < 0 || order[0] == "slow" {
		t.Errorf("answered in the order %q", order)
	}
}

// TestNumbersOnTheWire: all clients see one number for one event, those that a client
// may not see leave a gap, and what goes to one client has none.
func TestNumbersOnTheWire(t *testing.T) {
	t.Parallel()
	r := start(t)
	enter := func(scopes ...string) *wire {
		w := r.open(t, nil)
		if res := w.ask("c", "connect", newKey(t).sign(with(plain(), object{"scopes": scopes}), time.Now(), w.nonce)); !res.OK {
			t.Fatal(res.Error)
		}
		return w
	}
	type event struct {
		Event        string
		Seq          *int64
		StateVersion *protocol.StateVersion
	}
	// until reads on to an event of that name and returns it.
	until := func(w *wire, name string) event {
		t.Helper()
		for {
			var e event
			if w.next(&e); e.Event == "" {
				continue
			}
			if versioned := e.Event == "presence" || e.Event == "health"; versioned != (e.StateVersion != nil) {
				t.Errorf("%s with the state %v", e.Event, e.StateVersion)
			}
			if e.Event == name {
				return e
			}
		}
	}
	all, some := enter("operator.admin"), enter("operator.read")
	if e := until(some, "health"); e.Seq != nil {
		t.Errorf("the greeting has the number %d", *e.Seq)
	}
	same := func(name string) int64 {
		t.Helper()
		a, b := until(all, name), until(some, name)
		if a.Seq == nil || b.Seq == nil || *a.Seq != *b.Seq {
			t.Fatalf("%s: %v and %v", name, a.Seq, b.Seq)
		}
		return *a.Seq
	}
	all.post("1", "wake", object{"mode": "now", "text": "x"})
	first := same("heartbeat")
	all.post("2", "node.pair.request", object{"nodeId": "n"})
	guarded := until(all, "node.pair.requested")
	if guarded.Seq == nil || *guarded.Seq != first+1 {
		t.Errorf("guarded: %v after %d", guarded.Seq, first)
	}
	all.post("3", "system-event", object{"text": "x"})
	if seq := same("presence"); seq != first+2 {
		t.Errorf("presence: %d after %d and one that the other may not see", seq, first)
	}
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
			w := r.open(t, nil)
			w.send(websocket.MessageText, tc.frame)
			code, reason, refused := w.closed()
			if code != tc.code {
				t.Errorf("closed with %d, want %d", code, tc.code)
			}
			checkReason(t, code, reason, tc.reason)
			answer := ""
			if refused != nil {
				answer = refused.Message
			}
			if answer != tc.answer {
				t.Errorf("answered %q, want %q", answer, tc.answer)
			}
		})
	}
}
