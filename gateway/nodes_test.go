package gateway_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// joinNode connects a raw client in the role node.
func (r *running) joinNode(t *testing.T, changes object) (*wire, string) {
	t.Helper()
	w, k := r.open(t, nil), newKey(t)
	p := with(object{"minProtocol": 3, "maxProtocol": 3, "caps": []string{"system"}, "commands": []string{"system.run", "system.which", "camera.snap"}, "role": "node", "scopes": []string{},
		"pathEnv": "/bin", "permissions": object{"screen": false}, "auth": object{"token": secret},
		"client": object{"id": "node-host", "mode": "node", "version": "9", "platform": "linux", "displayName": "box", "deviceFamily": "Linux"}}, changes)
	raw, err := json.Marshal(object{"type": "req", "id": "c", "method": "connect", "params": k.sign(p, time.Now(), w.nonce)})
	if err != nil {
		t.Fatal(err)
	}
	w.send(websocket.MessageText, string(raw))
	if res := w.answer(); !res.OK {
		t.Fatalf("the node is refused: %+v", res.Error)
	}
	return w, protocol.DeviceID(k.public())
}

// operator connects as the CLI does and collects the events whose name begins with prefix.
func (r *running) operator(t *testing.T, prefix string, scopes ...string) (*client.Client, <-chan protocol.Event) {
	t.Helper()
	events := make(chan protocol.Event, 64)
	op, err := r.dial(t, client.Options{Token: secret, Identity: identity(t), Mode: "ui", Scopes: scopes, OnEvent: func(e protocol.Event) {
		if strings.HasPrefix(e.Event, prefix) {
			events <- e
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return op, events
}

// call makes a request that must succeed.
func call(t *testing.T, c *client.Client, method string, params, result any) {
	t.Helper()
	if err := c.Call(t.Context(), method, params, result); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
}

func TestNodeList(t *testing.T) {
	t.Parallel()
	r := startWith(t, func(o *gateway.Options) {
		snap := *o.Config
		snap.Config.Gateway.Nodes.AllowCommands = []string{"camera.snap"}
		snap.Config.Gateway.Nodes.DenyCommands = []string{"system.which"}
		o.Config = &snap
	})
	op, _ := r.operator(t, "none")
	w, id := r.joinNode(t, nil)
	var d protocol.NodeDescribeResult
	call(t, op, "node.describe", protocol.NodeParams{NodeID: id}, &d)
	if !d.Connected || !d.Paired || d.DisplayName != "box" || d.Version != "9" || d.PathEnv != "/bin" || d.ConnectedAtMs == 0 || d.TS == 0 ||
		!slices.Equal(d.Commands, []string{"camera.snap", "system.run"}) || !slices.Equal(d.Caps, []string{"system"}) || len(d.Permissions) != 1 {
		t.Errorf("described as %+v", d)
	}
	var renamed protocol.NodeRenameParams
	call(t, op, "node.rename", protocol.NodeRenameParams{NodeID: id, DisplayName: " attic "}, &renamed)
	if renamed != (protocol.NodeRenameParams{NodeID: id, DisplayName: "attic"}) {
		t.Errorf("renamed to %+v", renamed)
	}
	for method, params := range map[string]any{"node.describe": protocol.NodeParams{NodeID: "nobody"}, "node.rename": protocol.NodeRenameParams{NodeID: "nobody", DisplayName: "x"}} {
		if err := op.Call(t.Context(), method, params, nil); text(err) != "unknown nodeId" {
			t.Errorf("%s of nobody: %v", method, err)
		}
	}
	if res := w.ask("1", "node.list", object{}); res.OK || res.Error.Message != "unauthorized role: node" {
		t.Errorf("node.list by a node: %+v", res)
	}
	_ = w.conn.Close(websocket.StatusNormalClosure, "")
	var l protocol.NodeListResult
	for call(t, op, "node.list", nil, &l); len(l.Nodes) == 1 && l.Nodes[0].Connected; call(t, op, "node.list", nil, &l) {
	}
	if len(l.Nodes) != 1 || l.Nodes[0].DisplayName != "attic" || !l.Nodes[0].Paired || l.Nodes[0].Commands == nil {
		t.Errorf("after it has gone: %+v", l)
	}
}

// TestNodeReplaced: of two connections of one node the latest counts, and the end
// of the older one takes nothing away.
func TestNodeReplaced(t *testing.T) {
	t.Parallel()
	r := start(t)
	op, _ := r.operator(t, "none")
	bare := object{"device": nil, "client": object{"id": "node-host", "mode": "node", "version": "1", "platform": "linux"}}
	join := func(version string) *wire {
		w := r.open(t, nil)
		p := with(plain(), with(bare, object{"role": "node", "commands": []string{"system.run"}, "client": with(bare["client"].(object), object{"version": version})}))
		if res := w.ask("c", "connect", p); !res.OK {
			t.Fatalf("%+v", res.Error)
		}
		return w
	}
	old := join("1")
	join("2")
	var d protocol.NodeDescribeResult
	for range 2 {
		call(t, op, "node.describe", protocol.NodeParams{NodeID: "node-host"}, &d)
		if d.Version != "2" || d.Paired || !d.Connected {
			t.Errorf("%+v", d)
		}
		_ = old.conn.Close(websocket.StatusNormalClosure, "")
	}
}

func TestNodePairing(t *testing.T) {
	t.Parallel()
	r := start(t)
	op, events := r.operator(t, "node.pair.", "operator.pairing")
	var asked protocol.NodePairRequestResult
	params := object{"nodeId": "n-1", "displayName": "phone", "platform": "ios", "caps": []string{"canvas"}, "silent": true}
	call(t, op, "node.pair.request", params, &asked)
	if asked.Status != "pending" || !asked.Created || asked.Request.NodeID != "n-1" || !asked.Request.Silent {
		t.Fatalf("%+v", asked)
	}
	if e := <-events; e.Event != "node.pair.requested" || !strings.Contains(string(e.Payload), asked.Request.RequestID) {
		t.Fatalf("%s %s", e.Event, e.Payload)
	}
	call(t, op, "node.pair.request", params, &asked)
	if asked.Created {
		t.Error("it was made twice")
	}
	var approved protocol.NodePairApproveResult
	call(t, op, "node.pair.approve", protocol.PairRequestParams{RequestID: asked.Request.RequestID}, &approved)
	if e := <-events; e.Event != "node.pair.resolved" || !strings.Contains(string(e.Payload), protocol.Approved) {
		t.Fatalf("%s %s", e.Event, e.Payload)
	}
	var verified protocol.NodePairVerifyResult
	call(t, op, "node.pair.verify", protocol.NodePairVerifyParams{NodeID: "n-1", Token: approved.Node.Token}, &verified)
	if !verified.OK || verified.Node == nil {
		t.Errorf("verify: %+v", verified)
	}
	call(t, op, "node.pair.request", params, &asked)
	if e := <-events; !strings.Contains(string(e.Payload), `"isRepair":true`) {
		t.Errorf("%s", e.Payload)
	}
	var rejected protocol.NodePairRejectResult
	call(t, op, "node.pair.reject", protocol.PairRequestParams{RequestID: asked.Request.RequestID}, &rejected)
	if rejected.NodeID != "n-1" {
		t.Errorf("%+v", rejected)
	}
	var l protocol.NodePairListResult
	call(t, op, "node.pair.list", nil, &l)
	if len(l.Pending) != 0 || len(l.Paired) != 1 || l.Paired[0].Token != approved.Node.Token {
		t.Errorf("%+v", l)
	}
	for _, method := range []string{"node.pair.approve", "node.pair.reject"} {
		if err := op.Call(t.Context(), method, protocol.PairRequestParams{RequestID: asked.Request.RequestID}, nil); text(err) != "unknown requestId" {
			t.Errorf("%s: %v", method, err)
		}
	}
	reader, _ := r.operator(t, "none", "operator.read")
	if err := reader.Call(t.Context(), "node.pair.list", nil, nil); text(err) != "missing scope: operator.pairing" {
		t.Errorf("a reader: %v", err)
	}
}
