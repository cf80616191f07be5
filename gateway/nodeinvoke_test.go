package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// asked skips everything until the node is asked for something.
func (w *wire) asked() protocol.NodeInvokeEvent {
	w.t.Helper()
	for {
		var e protocol.Event
		w.next(&e)
		if e.Event != "node.invoke.request" {
			continue
		}
		if e.Seq != nil {
			w.t.Error("what goes to one client is numbered")
		}
		var req protocol.NodeInvokeEvent
		if err := json.Unmarshal(e.Payload, &req); err != nil {
			w.t.Fatal(err)
		}
		return req
	}
}

// invoke asks for something on the side, and returns where its end will be told.
func invoke(t *testing.T, c *client.Client, params any) <-chan outcome {
	t.Helper()
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		o.err = c.Call(t.Context(), "node.invoke", params, &o.res)
		done <- o
	}()
	return done
}

type outcome struct {
	res protocol.NodeInvokeResult
	err error
}

// details of an error as JSON.
func details(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*protocol.Error](err)
	if !ok {
		t.Fatalf("%v is no answer", err)
	}
	raw, err := json.Marshal(e.Details)
	if err != nil {
		t.Fatal(err)
	}
	return e.Code + " " + e.Message + " " + string(raw)
}

func TestNodeInvoke(t *testing.T) {
	t.Parallel()
	r := start(t)
	op, _ := r.operator(t, "none")
	w, id := r.joinNode(t, nil)
	params := func(changes object) object {
		return with(object{"nodeId": id, "command": "system.which", "params": object{"bins": []string{"sh"}}, "idempotencyKey": "k"}, changes)
	}

	done := invoke(t, op, params(object{"timeoutMs": 60000}))
	req := w.asked()
	if req.NodeID != id || req.Command != "system.which" || req.ParamsJSON == nil || *req.ParamsJSON != `{"bins":["sh"]}` || req.IdempotencyKey != "k" || *req.TimeoutMs != 60000 {
		t.Errorf("the node is asked %+v", req)
	}
	if res := w.ask("r", "node.invoke.result", object{"id": req.ID, "nodeId": "other", "ok": true}); res.OK || res.Error.Message != "nodeId mismatch" {
		t.Errorf("as another: %+v", res)
	}
	if res := w.ask("r", "node.invoke.result", object{"id": req.ID, "nodeId": id, "ok": true, "payloadJSON": `{"bins":{}}`, "error": nil}); !res.OK || string(res.Payload) != `{"ok":true}` {
		t.Errorf("answer: %+v", res)
	}
	if o := <-done; o.err != nil || !o.res.OK || o.res.NodeID != id || o.res.Command != "system.which" || string(o.res.Payload) != `{"bins":{}}` || *o.res.PayloadJSON != `{"bins":{}}` {
		t.Errorf("%+v", o)
	}
	if res := w.ask("r", "node.invoke.result", object{"id": req.ID, "nodeId": id, "ok": true}); string(res.Payload) != `{"ok":true,"ignored":true}` {
		t.Errorf("a second answer: %s", res.Payload)
	}

	done = invoke(t, op, params(object{"params": nil}))
	req = w.asked()
	if req.ParamsJSON != nil || *req.TimeoutMs != 30000 {
		t.Errorf("without parameters: %+v", req)
	}
	w.ask("r", "node.invoke.result", object{"id": req.ID, "nodeId": id, "ok": false, "error": object{"code": "BROKEN", "message": "no luck"}})
	if o := <-done; details(t, o.err) != `UNAVAILABLE no luck {"nodeError":{"code":"BROKEN","message":"no luck"}}` {
		t.Error(details(t, o.err))
	}

	done = invoke(t, op, params(object{"timeoutMs": 1}))
	req = w.asked()
	if o := <-done; details(t, o.err) != `UNAVAILABLE node invoke timed out {"nodeError":{"code":"TIMEOUT","message":"node invoke timed out"}}` {
		t.Error(details(t, o.err))
	}
	if res := w.ask("r", "node.invoke.result", object{"id": req.ID, "nodeId": id, "ok": true}); string(res.Payload) != `{"ok":true,"ignored":true}` {
		t.Errorf("a late answer: %s", res.Payload)
	}

	for _, tc := range []struct {
		changes object
		want    string
	}{
		{object{"nodeId": "nobody"}, `UNAVAILABLE node not connected {"code":"NOT_CONNECTED"}`},
		{object{"command": "camera.snap"}, `INVALID_REQUEST node command not allowed {"command":"camera.snap","reason":"command not allowlisted"}`},
		{object{"command": "system.notify"}, `INVALID_REQUEST node command not allowed {"command":"system.notify","reason":"command not declared by node"}`},
		{object{"command": "system.execApprovals.get"},
			`INVALID_REQUEST node.invoke does not allow system.execApprovals.*; use exec.approvals.node.* {"command":"system.execApprovals.get"}`},
		{object{"command": "system.run"}, `INVALID_REQUEST system.run needs params.command, a list of texts {"code":"MISSING_COMMAND"}`},
		{object{"idempotencyKey": nil}, `INVALID_REQUEST invalid node.invoke params: must have required property 'idempotencyKey' null`},
		{object{"timeoutMs": -1}, `INVALID_REQUEST invalid node.invoke params: at /timeoutMs: must be >= 0 null`},
	} {
		if o := <-invoke(t, op, params(tc.changes)); details(t, o.err) != tc.want {
			t.Errorf("%v: %s", tc.changes, details(t, o.err))
		}
	}

	for _, params := range []object{{"event": "exec.finished", "payloadJSON": `{"runId":"1","exitCode":0}`}, {"event": "exec.denied", "payload": 7}, {"event": "of.the.future", "payload": object{}}} {
		if res := w.ask("e", "node.event", params); !res.OK || string(res.Payload) != `{"ok":true}` {
			t.Errorf("%v: %+v", params, res)
		}
	}

	done = invoke(t, op, params(nil))
	w.asked()
	_ = w.conn.Close(websocket.StatusNormalClosure, "")
	if o := <-done; details(t, o.err) != `UNAVAILABLE Error: node disconnected (system.which) null` {
		t.Error(details(t, o.err))
	}
	if _, silent := r.joinNode(t, object{"commands": []string{}}); true {
		o := <-invoke(t, op, params(object{"nodeId": silent}))
		if details(t, o.err) != `INVALID_REQUEST node command not allowed {"command":"system.which","reason":"node did not declare commands"}` {
			t.Error(details(t, o.err))
		}
	}
}

// TestNodeAnswersForItselfOnly: one node cannot answer what another was asked.
func TestNodeAnswersForItselfOnly(t *testing.T) {
	t.Parallel()
	r := start(t)
	op, _ := r.operator(t, "none")
	w, id := r.joinNode(t, nil)
	thief, thiefID := r.joinNode(t, nil)
	done := invoke(t, op, object{"nodeId": id, "command": "system.which", "idempotencyKey": "k"})
	req := w.asked()
	if res := thief.ask("r", "node.invoke.result", object{"id": req.ID, "nodeId": thiefID, "ok": true}); string(res.Payload) != `{"ok":true,"ignored":true}` {
		t.Errorf("another node: %+v", res)
	}
	w.ask("r", "node.invoke.result", object{"id": req.ID, "nodeId": id, "ok": true, "payload": object{"mine": true}})
	if o := <-done; o.err != nil || string(o.res.Payload) != `{"mine":true}` || o.res.PayloadJSON != nil {
		t.Errorf("%+v", o)
	}
}

// TestNodeInvokeOutlastsDrain: what a node was asked before a restart is answered.
func TestNodeInvokeOutlastsDrain(t *testing.T) {
	t.Parallel()
	r := startWith(t, func(o *gateway.Options) { o.Drain = time.Minute })
	op, events := r.operator(t, "shutdown")
	w, id := r.joinNode(t, nil)
	done := invoke(t, op, object{"nodeId": id, "command": "system.which", "idempotencyKey": "k"})
	req := w.asked()
	r.stop(gateway.ErrRestart)
	<-events
	w.ask("r", "node.invoke.result", object{"id": req.ID, "nodeId": id, "ok": true, "payload": 1})
	if o := <-done; o.err != nil || string(o.res.Payload) != "1" {
		t.Errorf("%+v", o)
	}
	if code, reason, _ := w.closed(); code != protocol.CloseRestart {
		t.Errorf("the node is closed with %d %s", code, reason)
	}
}

// TestNodeCannotBreakItsCaller: what a node answers in a binary frame reaches who asked as
// text that is UTF-8, for a client that is sent anything else has to hang up.
func TestNodeCannotBreakItsCaller(t *testing.T) {
	t.Parallel()
	r := start(t)
	node, id := r.joinNode(t, nil)
	w := r.open(t, nil)
	p := newKey(t).sign(with(plain(), object{"scopes": []string{"operator.write"}}), time.Now(), w.nonce)
	if res := w.ask("c", "connect", p); !res.OK {
		t.Fatalf("%+v", res.Error)
	}
	w.post("1", "node.invoke", object{"nodeId": id, "command": "system.which", "params": object{"bins": []string{"sh"}}, "idempotencyKey": "k"})
	req := node.asked()
	node.send(websocket.MessageBinary, `{"type":"req","id":"r","method":"node.invoke.result","params":{"id":"`+req.ID+`","nodeId":"`+id+`","ok":true,"payload":{"x":"a`+"\xff"+`b"}}}`)
	for {
		_, raw, err := w.conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(raw) {
			t.Fatalf("not UTF-8: %q", raw)
		}
		if bytes.Contains(raw, []byte(`"res"`)) {
			if !bytes.Contains(raw, []byte("a\uFFFDb")) {
				t.Errorf("%s", raw)
			}
			return
		}
	}
}
