package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestExecApproval: a question is put to those who may decide, its two answers have
// the same id, and only what was allowed goes to the node as allowed.
func TestExecApproval(t *testing.T) {
	t.Parallel()
	r := start(t)
	judge, events := r.operator(t, "exec.approval.", "operator.approvals")
	node, id := r.joinNode(t, nil)
	asker := r.open(t, nil)
	k := newKey(t)
	raw, err := json.Marshal(object{"type": "req", "id": "c", "method": "connect", "params": k.sign(with(plain(), object{"scopes": []string{"operator.write", "operator.approvals"}}), time.Now(), asker.nonce)})
	if err != nil {
		t.Fatal(err)
	}
	asker.send(websocket.MessageText, string(raw))
	if res := asker.answer(); !res.OK {
		t.Fatalf("%+v", res.Error)
	}

	first := asker.ask("q", "exec.approval.request", object{"id": "a-1", "command": "id", "host": "node", "cwd": nil, "sessionKey": nil, "twoPhase": true})
	var accepted protocol.ExecApprovalAccepted
	if err := json.Unmarshal(first.Payload, &accepted); err != nil || first.ID != "q" || accepted.Status != "accepted" || accepted.ID != "a-1" {
		t.Fatalf("first answer %s %+v", first.Payload, first.Error)
	}
	if e := <-events; e.Event != "exec.approval.requested" || !strings.Contains(string(e.Payload), `"cwd":null`) {
		t.Fatalf("%s %s", e.Event, e.Payload)
	}
	if res := asker.ask("q2", "exec.approval.request", object{"id": "a-1", "command": "id"}); res.OK || res.Error.Message != "approval id already pending" {
		t.Errorf("again: %+v", res)
	}
	run := object{"nodeId": id, "command": "system.run", "idempotencyKey": "k",
		"params": object{"command": []string{"id"}, "approved": true, "approvalDecision": "allow-once", "runId": "a-1"}}
	if res := asker.ask("i", "node.invoke", run); res.OK || !strings.Contains(string(mustJSON(t, res.Error.Details)), "APPROVAL_REQUIRED") {
		t.Errorf("before the decision: %+v", res.Error)
	}
	for params, want := range map[string]string{`{"id":"a-1","decision":"maybe"}`: "invalid decision", `{"id":"a-2","decision":"deny"}`: "unknown approval id"} {
		if err := judge.Call(t.Context(), "exec.approval.resolve", json.RawMessage(params), nil); text(err) != want {
			t.Errorf("%s: %v", params, err)
		}
	}
	for params, want := range map[string]string{`{}`: "id is required", `{"id":"a-2"}`: "approval expired or not found"} {
		if err := judge.Call(t.Context(), "exec.approval.waitDecision", json.RawMessage(params), nil); text(err) != want {
			t.Errorf("%s: %v", params, err)
		}
	}
	call(t, judge, "exec.approval.resolve", object{"id": "a-1", "decision": "allow-once"}, nil)
	if e := <-events; e.Event != "exec.approval.resolved" || !strings.Contains(string(e.Payload), `"decision":"allow-once"`) {
		t.Errorf("%s %s", e.Event, e.Payload)
	}
	if second := asker.answer(); second.ID != "q" || !strings.Contains(string(second.Payload), `"decision":"allow-once"`) {
		t.Errorf("second answer: %s %s", second.ID, second.Payload)
	}
	var waited protocol.ExecApprovalResult
	call(t, judge, "exec.approval.waitDecision", object{"id": "a-1", "more": 1}, &waited)
	if waited.Decision == nil || *waited.Decision != "allow-once" {
		t.Errorf("%+v", waited)
	}
	asker.post("i2", "node.invoke", run)
	req := node.asked()
	if !strings.Contains(*req.ParamsJSON, `"approved":true`) {
		t.Errorf("the node is sent %s", *req.ParamsJSON)
	}
	node.ask("r", "node.invoke.result", object{"id": req.ID, "nodeId": id, "ok": true, "payload": object{}})
	if res := asker.answer(); !res.OK {
		t.Errorf("%+v", res.Error)
	}
	if res := asker.ask("i3", "node.invoke", run); res.OK || !strings.Contains(string(mustJSON(t, res.Error.Details)), "UNKNOWN_APPROVAL_ID") {
		t.Errorf("a second time: %+v", res)
	}
	reader, _ := r.operator(t, "none", "operator.read", "operator.write")
	if err := reader.Call(t.Context(), "exec.approval.request", object{"command": "id"}, nil); text(err) != "missing scope: operator.approvals" {
		t.Errorf("a reader: %v", err)
	}
}

func TestExecApprovalsLists(t *testing.T) {
	t.Parallel()
	r := start(t)
	op, _ := r.operator(t, "none")
	var s protocol.ExecApprovalsSnapshot
	call(t, op, "exec.approvals.get", nil, &s)
	if !s.Exists || s.File.Version != 1 || !strings.HasPrefix(s.Path, r.dir) {
		t.Errorf("%+v", s)
	}
	next := object{"version": 1, "socket": object{"path": "/s", "token": "t"}, "agents": object{"main": object{"allowlist": []object{{"pattern": "/bin/ls"}}}}}
	if err := op.Call(t.Context(), "exec.approvals.set", object{"file": next}, nil); text(err) != "exec approvals base hash required; re-run exec.approvals.get and retry" {
		t.Error(err)
	}
	call(t, op, "exec.approvals.set", object{"file": next, "baseHash": s.Hash}, &s)
	if s.File.Socket.Token != "" || s.File.Agents["main"].Allowlist[0].Pattern != "/bin/ls" {
		t.Errorf("%+v", s)
	}
	if err := op.Call(t.Context(), "exec.approvals.set", object{"file": next, "baseHash": "x"}, nil); text(err) != "exec approvals changed since last load; re-run exec.approvals.get and retry" {
		t.Error(err)
	}
	if err := op.Call(t.Context(), "exec.approvals.set", object{"file": object{"version": 1, "defaults": object{"security": "x"}}}, nil); !strings.HasPrefix(text(err), "invalid exec.approvals.set params: at /file/defaults/security: must be equal to constant") {
		t.Error(err)
	}
	node, id := r.joinNode(t, nil)
	done := make(chan error, 1)
	var reply object
	go func() {
		done <- op.Call(t.Context(), "exec.approvals.node.set", object{"nodeId": id, "file": object{"version": 1}, "baseHash": "h"}, &reply)
	}()
	req := node.asked()
	if req.Command != "system.execApprovals.set" || *req.ParamsJSON != `{"file":{"version":1},"baseHash":"h"}` {
		t.Errorf("%s %s", req.Command, *req.ParamsJSON)
	}
	node.ask("r", "node.invoke.result", object{"id": req.ID, "nodeId": id, "ok": true, "payloadJSON": `{"hash":"n"}`})
	if err := <-done; err != nil || reply["hash"] != "n" {
		t.Errorf("%v %v", reply, err)
	}
	if err := op.Call(t.Context(), "exec.approvals.node.get", object{"nodeId": "nobody"}, nil); text(err) != "node not connected" {
		t.Error(err)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
