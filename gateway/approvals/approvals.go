// Package approvals owns who may run which commands: the questions that are put to
// people and what they decide, and the methods by which the lists of what may run
// unasked are read and changed, of the gateway's host and of nodes. What the lists
// mean is package execpolicy's.
package approvals

import (
	"context"
	"encoding/json"

	"github.com/coderclaw/coderclaw/gateway/execpolicy"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// Nodes sends a command to a node.
type Nodes interface {
	Ask(ctx context.Context, nodeID, command string, params json.RawMessage) (json.RawMessage, error)
}

// Lists answers for the lists of what may run.
type Lists struct {
	file  execpolicy.File
	nodes Nodes
}

// NewLists returns the feature for the list below stateDir and those of the nodes.
func NewLists(stateDir string, nodes Nodes) *Lists {
	return &Lists{execpolicy.In(stateDir), nodes}
}

// Register adds the methods exec.approvals.*.
func (l *Lists) Register(m *rpc.Mux) {
	rpc.Handle(m, "exec.approvals.get", rpc.ScopeAdmin, l.get)
	rpc.Handle(m, "exec.approvals.set", rpc.ScopeAdmin, l.set)
	rpc.Handle(m, "exec.approvals.node.get", rpc.ScopeAdmin, l.nodeGet)
	rpc.Handle(m, "exec.approvals.node.set", rpc.ScopeAdmin, l.nodeSet)
	m.Waits("exec.approvals.get", "exec.approvals.set")           // for the lock of the file
	m.Waits("exec.approvals.node.get", "exec.approvals.node.set") // for the node
}

func (l *Lists) get(ctx context.Context, _ *rpc.Session, _ protocol.Empty) (protocol.ExecApprovalsSnapshot, error) {
	s, err := l.file.Ensure(ctx)
	return execpolicy.Shown(s), err
}

func (l *Lists) set(ctx context.Context, _ *rpc.Session, p protocol.ExecApprovalsSetParams) (protocol.ExecApprovalsSnapshot, error) {
	s, err := l.file.Set(ctx, p.File, p.BaseHash)
	return execpolicy.Shown(s), err
}

func (l *Lists) nodeGet(ctx context.Context, _ *rpc.Session, p protocol.NodeParams) (json.RawMessage, error) {
	return l.nodes.Ask(ctx, p.NodeID, protocol.CommandApprovalsGet, json.RawMessage("{}"))
}

func (l *Lists) nodeSet(ctx context.Context, _ *rpc.Session, p protocol.ExecApprovalsNodeSetParams) (json.RawMessage, error) {
	params, err := json.Marshal(protocol.ExecApprovalsSetParams{File: p.File, BaseHash: p.BaseHash})
	if err != nil {
		return nil, err
	}
	return l.nodes.Ask(ctx, p.NodeID, protocol.CommandApprovalsSet, params)
}
