package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/execpolicy"
	"github.com/coderclaw/coderclaw/gateway/nodehost"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestNodeHostFromAfar: a machine that is not local waits until it is let in, then
// offers what it can, and keeps to its own rules whatever the gateway says.
func TestNodeHostFromAfar(t *testing.T) {
	t.Parallel()
	r := start(t)
	op, events := r.operator(t, "device.pair.requested")
	far := r.fromAfar(t)
	id := identity(t)
	dir := t.TempDir()
	told := make(chan string, 8)
	host := nodehost.New(nodehost.Options{Client: client.Options{URL: far.url, Token: secret, Identity: id, ClientID: "node-host", DisplayName: "attic"},
		Policy: execpolicy.In(dir), Environ: os.Environ(), Log: slog.New(slog.DiscardHandler), PairHint: func(request string) string { told <- request; return "" }})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- host.Serve(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	}()
	<-events
	call(t, op, "device.pair.approve", protocol.PairRequestParams{RequestID: <-told}, nil)
	var l protocol.NodeListResult
	for call(t, op, "node.list", nil, &l); len(l.Nodes) == 0 || !l.Nodes[0].Connected; call(t, op, "node.list", nil, &l) {
	}
	if n := l.Nodes[0]; n.NodeID != id.ID() || !n.Paired || n.DisplayName != "attic" || n.PathEnv != os.Getenv("PATH") || len(n.Commands) != 2 {
		t.Errorf("%+v", n)
	}
	run := func(params object) (nodehost.RunResult, error) {
		var res protocol.NodeInvokeResult
		err := op.Call(t.Context(), "node.invoke", object{"nodeId": id.ID(), "command": "system.run", "params": params, "idempotencyKey": "k"}, &res)
		var out nodehost.RunResult
		if err == nil {
			err = json.Unmarshal(res.Payload, &out)
		}
		return out, err
	}
	if _, err := run(object{"command": []string{"sh", "-c", "echo hi"}}); text(err) != execpolicy.Disabled {
		t.Errorf("without rules: %v", err)
	}
	var s protocol.ExecApprovalsSnapshot
	call(t, op, "exec.approvals.node.get", object{"nodeId": id.ID()}, &s)
	if err := op.Call(t.Context(), "exec.approvals.node.set", object{"nodeId": id.ID(), "file": object{"version": 1}}, nil); !strings.Contains(text(err), "base hash required") {
		t.Error(err)
	}
	call(t, op, "exec.approvals.node.set", object{"nodeId": id.ID(), "baseHash": s.Hash, "file": object{"version": 1, "agents": object{
		"main": object{"security": "full", "ask": "off"}, "careful": object{"security": "allowlist"}}}}, nil)
	if out, err := run(object{"command": []string{"sh", "-c", "echo hi"}}); err != nil || !out.Success || out.Stdout != "hi\n" {
		t.Errorf("%+v %v", out, err)
	}
	for _, tc := range []struct {
		params object
		want   string
	}{
		{object{"command": []string{"sh"}, "agentId": "careful"}, execpolicy.ApprovalRequired},
		{object{"command": []string{"sh"}, "agentId": "careful", "approved": true}, "a command that was approved needs params.runId, the id of the approval"},
		{object{"command": []string{"no-such-program"}}, "no-such-program is not in PATH of the node"},
		{object{"command": []string{"sh"}, "needsScreenRecording": true}, "PERMISSION_MISSING: screenRecording"},
		{object{"command": []string{"sh"}, "timeoutMs": "soon"}, "invalid params: at /timeoutMs: must be integer"},
	} {
		if _, err := run(tc.params); text(err) != tc.want {
			t.Errorf("%v: %v", tc.params, err)
		}
	}
	if err := os.WriteFile(s.Path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(object{"command": []string{"sh"}}); !strings.Contains(text(err), "mend or remove it") {
		t.Errorf("with damaged rules: %v", err)
	}
}

// TestNodeHostRefused: a node whose credential is wrong gives up and says so.
func TestNodeHostRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	host := nodehost.New(nodehost.Options{Client: client.Options{URL: r.url, Token: "wrong", Identity: identity(t), ClientID: "node-host"},
		Policy: execpolicy.In(t.TempDir()), Log: slog.New(slog.DiscardHandler)})
	if err := host.Serve(t.Context()); !errors.Is(err, nodehost.ErrRefused) || !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("got %v", err)
	}
}

// TestAllowAlwaysOfAShell: to allow one script always is not to allow all scripts.
func TestAllowAlwaysOfAShell(t *testing.T) {
	t.Parallel()
	r := start(t)
	op, _ := r.operator(t, "none")
	id := identity(t)
	host := nodehost.New(nodehost.Options{Client: client.Options{URL: r.url, Token: secret, Identity: id, ClientID: "node-host"},
		Policy: execpolicy.In(t.TempDir()), Environ: os.Environ(), Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- host.Serve(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	var l protocol.NodeListResult
	for call(t, op, "node.list", nil, &l); len(l.Nodes) == 0 || !l.Nodes[0].Connected; call(t, op, "node.list", nil, &l) {
	}
	var s protocol.ExecApprovalsSnapshot
	call(t, op, "exec.approvals.node.get", object{"nodeId": id.ID()}, &s)
	call(t, op, "exec.approvals.node.set", object{"nodeId": id.ID(), "baseHash": s.Hash, "file": object{"version": 1, "defaults": object{"security": "allowlist"}}}, nil)
	run := func(always bool, command ...string) error {
		params := object{"command": command}
		if always {
			decided := make(chan error, 1)
			go func() {
				decided <- op.Call(t.Context(), "exec.approval.request", object{"id": "a " + command[0], "command": strings.Join(command, " "), "host": "node"}, nil)
			}()
			for op.Call(t.Context(), "exec.approval.resolve", object{"id": "a " + command[0], "decision": "allow-always"}, nil) != nil {
			}
			if err := <-decided; err != nil {
				t.Fatal(err)
			}
			params["approved"], params["approvalDecision"], params["runId"] = true, "allow-always", "a "+command[0]
		}
		return op.Call(t.Context(), "node.invoke", object{"nodeId": id.ID(), "command": "system.run", "params": params, "idempotencyKey": "k"}, nil)
	}
	for _, tc := range []struct {
		command []string
		again   string
	}{
		{[]string{"sh", "-c", "true"}, execpolicy.ApprovalRequired},
		{[]string{"ls", "/"}, ""},
	} {
		if err := run(true, tc.command...); err != nil {
			t.Errorf("%v: %v", tc.command, err)
		}
		if err := run(false, tc.command...); text(err) != tc.again {
			t.Errorf("%v once more: %v", tc.command, err)
		}
	}
}
