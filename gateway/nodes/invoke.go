package nodes

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

const (
	defaultTimeout = 30 * time.Second
	// maxTimeout is what fits into 32 bits of ms, the longest that clients of the family can mean.
	maxTimeout = (1<<31 - 1) * time.Millisecond
)

// invokes are the requests that wait for an answer of a node.
type invokes struct {
	mu      sync.Mutex // guards what follows
	waiting map[string]*invocation
}

type invocation struct {
	node   *node
	answer chan protocol.NodeInvokeResultParams // has room for one
}

func (w *invokes) add(id string, n *node) *invocation {
	i := &invocation{node: n, answer: make(chan protocol.NodeInvokeResultParams, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[id] = i
	return i
}

// take removes and returns a request that n was sent, nil when it waits no longer.
func (w *invokes) take(id string, n *node) *invocation {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.waiting[id]
	if i == nil || n != nil && i.node != n {
		return nil
	}
	delete(w.waiting, id)
	return i
}

func (f *Feature) invoke(ctx context.Context, s *rpc.Session, p protocol.NodeInvokeParams) (protocol.NodeInvokeResult, error) {
	none := protocol.NodeInvokeResult{}
	p.NodeID, p.Command = strings.TrimSpace(p.NodeID), strings.TrimSpace(p.Command)
	if p.NodeID == "" || p.Command == "" {
		return none, protocol.Invalid("nodeId and command required")
	}
	if p.Command == protocol.CommandApprovalsGet || p.Command == protocol.CommandApprovalsSet {
		no := protocol.Invalid("node.invoke does not allow system.execApprovals.*; use exec.approvals.node.*")
		no.Details = map[string]string{"command": p.Command}
		return none, no
	}
	n := f.live.get(p.NodeID)
	if n == nil {
		return none, notConnected()
	}
	if why := f.policy.refusal(n.session.Client, n.session.Offer.Commands, p.Command); why != "" {
		no := protocol.Invalid("node command not allowed")
		no.Details = map[string]string{"reason": why, "command": p.Command}
		return none, no
	}
	if p.Command == protocol.CommandRun {
		var no *protocol.Error
		if p.Params, no = f.runParams(s, p.Params); no != nil {
			return none, no
		}
	}
	return f.send(ctx, n, p)
}

func notConnected() *protocol.Error {
	return &protocol.Error{Code: protocol.CodeUnavailable, Message: "node not connected", Details: map[string]string{"code": protocol.NodeNotConnected}}
}

// Ask sends a node a command past the policy, for features that have rules of their own.
func (f *Feature) Ask(ctx context.Context, nodeID, command string, params json.RawMessage) (json.RawMessage, error) {
	n := f.live.get(strings.TrimSpace(nodeID))
	if n == nil {
		return nil, notConnected()
	}
	res, err := f.send(ctx, n, protocol.NodeInvokeParams{NodeID: n.id, Command: command, Params: params})
	return res.Payload, err
}

// send asks a node and waits for its answer, at most as long as p says.
func (f *Feature) send(ctx context.Context, n *node, p protocol.NodeInvokeParams) (protocol.NodeInvokeResult, error) {
	limit := defaultTimeout
	if p.TimeoutMs != nil {
		limit = min(time.Duration(min(*p.TimeoutMs, maxTimeout.Milliseconds()))*time.Millisecond, maxTimeout)
	}
	e := protocol.NodeInvokeEvent{ID: uuid.NewString(), NodeID: n.id, Command: p.Command, TimeoutMs: p.TimeoutMs, IdempotencyKey: p.IdempotencyKey}
	if e.TimeoutMs == nil {
		ms := limit.Milliseconds()
		e.TimeoutMs = &ms
	}
	if params := bytes.TrimSpace(p.Params); len(params) > 0 && !bytes.Equal(params, []byte("null")) {
		text := string(params)
		e.ParamsJSON = &text
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	i := f.invokes.add(e.ID, n)
	defer f.invokes.take(e.ID, nil)
	gone := func() error {
		return &protocol.Error{Code: protocol.CodeUnavailable, Message: fmt.Sprintf("Error: node disconnected (%s)", p.Command)}
	}
	select {
	case <-n.greeted:
	case <-n.gone:
		return protocol.NodeInvokeResult{}, gone()
	case <-ctx.Done():
		return protocol.NodeInvokeResult{}, ctx.Err()
	}
	if err := n.session.Event("node.invoke.request", e); err != nil {
		return protocol.NodeInvokeResult{}, err
	}
	var answer protocol.NodeInvokeResultParams
	select {
	case answer = <-i.answer:
	case <-timer.C:
		return protocol.NodeInvokeResult{}, nodeFailed(&protocol.NodeError{Code: protocol.NodeTimeout, Message: "node invoke timed out"})
	case <-n.gone:
		select {
		case answer = <-i.answer: // its last word
		default:
			return protocol.NodeInvokeResult{}, gone()
		}
	case <-ctx.Done():
		return protocol.NodeInvokeResult{}, ctx.Err()
	}
	if !answer.OK {
		return protocol.NodeInvokeResult{}, nodeFailed(answer.Error)
	}
	res := protocol.NodeInvokeResult{OK: true, NodeID: n.id, Command: p.Command}
	res.Payload, res.PayloadJSON = payload(answer)
	return res, nil
}

// nodeFailed is the error for what a node could not do.
func nodeFailed(e *protocol.NodeError) error {
	if e == nil {
		e = &protocol.NodeError{}
	}
	return &protocol.Error{Code: protocol.CodeUnavailable, Message: cmp.Or(strings.TrimSpace(e.Message), "node invoke failed"), Details: map[string]*protocol.NodeError{"nodeError": e}}
}

// payload returns what a node answered, and the text as which it sent it if it sent
// a text. A text that is no JSON is handed on inside of an object.
func payload(p protocol.NodeInvokeResultParams) (json.RawMessage, *string) {
	var text *string
	if err := json.Unmarshal(p.PayloadJSON, &text); err != nil { // absent, or itself the payload
		if len(p.PayloadJSON) > 0 && len(p.Payload) == 0 {
			return p.PayloadJSON, nil
		}
		return p.Payload, nil
	}
	switch {
	case text == nil:
		return p.Payload, nil
	case strings.TrimSpace(*text) == "":
		return p.Payload, text
	case json.Valid([]byte(*text)):
		return json.RawMessage(*text), text
	}
	wrapped, err := json.Marshal(map[string]string{"payloadJSON": *text})
	if err != nil {
		return p.Payload, text
	}
	return wrapped, text
}

func (f *Feature) invokeResult(_ context.Context, s *rpc.Session, p protocol.NodeInvokeResultParams) (protocol.NodeInvokeAck, error) {
	n := f.live.of(s)
	if n == nil || p.NodeID != n.id {
		return protocol.NodeInvokeAck{}, protocol.Invalid("nodeId mismatch")
	}
	i := f.invokes.take(p.ID, n)
	if i == nil {
		return protocol.NodeInvokeAck{OK: true, Ignored: true}, nil
	}
	i.answer <- p
	return protocol.NodeInvokeAck{OK: true}, nil
}
