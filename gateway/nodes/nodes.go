// Package nodes owns the devices that lend the gateway what they can do: which
// are connected and with what commands, the requests that are sent to them and
// their answers, and the store of nodes that were paired by node.pair.*. Which
// devices may connect at all is package auth's; who approves a command is package
// approvals'.
package nodes

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// Devices is the store of paired devices.
type Devices interface {
	List() (pending []auth.Pending, paired []auth.Device, err error)
}

// Tell sends an event to everybody who may pair.
type Tell func(event string, payload any)

// Options is what the feature must know.
type Options struct {
	StateDir  string // below which it keeps what it must
	Devices   Devices
	Approvals Approvals // without them no command counts as approved
	Policy    Policy
	Tell      Tell
	Log       *slog.Logger
}

// Feature answers for the nodes of one gateway. It is safe for concurrent use.
type Feature struct {
	store   *store
	live    *live
	devices Devices
	policy  Policy
	now     func() time.Time
	tell    Tell
	log     *slog.Logger

	approvals Approvals
	invokes   invokes
}

// New returns the feature.
func New(o Options, now func() time.Time) *Feature {
	return &Feature{store: newStore(o.StateDir, now), live: newLive(), devices: o.Devices, policy: o.Policy, now: now, tell: o.Tell, log: o.Log,
		approvals: o.Approvals, invokes: invokes{waiting: map[string]*invocation{}}}
}

// Register adds the methods node.*.
func (f *Feature) Register(m *rpc.Mux) {
	rpc.Handle(m, "node.pair.request", rpc.ScopePairing, f.pairRequest)
	rpc.Handle(m, "node.pair.list", rpc.ScopePairing, f.pairList)
	rpc.Handle(m, "node.pair.approve", rpc.ScopePairing, f.pairApprove)
	rpc.Handle(m, "node.pair.reject", rpc.ScopePairing, f.pairReject)
	rpc.Handle(m, "node.pair.verify", rpc.ScopePairing, f.pairVerify)
	rpc.Handle(m, "node.rename", rpc.ScopePairing, f.rename)
	rpc.Handle(m, "node.list", rpc.ScopeRead, f.list)
	rpc.Handle(m, "node.describe", rpc.ScopeRead, f.describe)
	rpc.Handle(m, "node.invoke", rpc.ScopeWrite, f.invoke)
	m.Waits("node.invoke")
	rpc.Handle(m, "node.invoke.result", rpc.NodeOnly, f.invokeResult)
	rpc.Handle(m, "node.event", rpc.NodeOnly, f.event)
}

func (f *Feature) pairRequest(_ context.Context, _ *rpc.Session, p protocol.NodePairRequestParams) (protocol.NodePairRequestResult, error) {
	if p.NodeID = strings.TrimSpace(p.NodeID); p.NodeID == "" {
		return protocol.NodePairRequestResult{}, protocol.Invalid("nodeId required")
	}
	r, created, err := f.store.request(p)
	if err != nil {
		return protocol.NodePairRequestResult{}, wrong(err)
	}
	if created {
		f.tell("node.pair.requested", r)
	}
	return protocol.NodePairRequestResult{Status: "pending", Request: r, Created: created}, nil
}

func (f *Feature) pairList(context.Context, *rpc.Session, protocol.Empty) (protocol.NodePairListResult, error) {
	pending, paired, err := f.store.list()
	if err != nil {
		return protocol.NodePairListResult{}, err
	}
	slices.SortFunc(pending, func(a, b protocol.NodePairRequest) int {
		return cmp.Or(cmp.Compare(b.TS, a.TS), cmp.Compare(a.RequestID, b.RequestID))
	})
	slices.SortFunc(paired, func(a, b protocol.PairedNode) int {
		return cmp.Or(cmp.Compare(b.ApprovedAtMs, a.ApprovedAtMs), cmp.Compare(a.NodeID, b.NodeID))
	})
	return protocol.NodePairListResult{Pending: append([]protocol.NodePairRequest{}, pending...), Paired: append([]protocol.PairedNode{}, paired...)}, nil
}

func (f *Feature) pairApprove(_ context.Context, _ *rpc.Session, p protocol.PairRequestParams) (protocol.NodePairApproveResult, error) {
	n, err := f.store.approve(p.RequestID)
	if err != nil {
		return protocol.NodePairApproveResult{}, wrong(err)
	}
	f.resolved(p.RequestID, n.NodeID, protocol.Approved)
	return protocol.NodePairApproveResult{RequestID: p.RequestID, Node: n}, nil
}

func (f *Feature) pairReject(_ context.Context, _ *rpc.Session, p protocol.PairRequestParams) (protocol.NodePairRejectResult, error) {
	id, err := f.store.reject(p.RequestID)
	if err != nil {
		return protocol.NodePairRejectResult{}, wrong(err)
	}
	f.resolved(p.RequestID, id, protocol.Rejected)
	return protocol.NodePairRejectResult{RequestID: p.RequestID, NodeID: id}, nil
}

func (f *Feature) resolved(requestID, nodeID, decision string) {
	f.tell("node.pair.resolved", protocol.NodePairResolvedEvent{RequestID: requestID, NodeID: nodeID, Decision: decision, TS: f.now().UnixMilli()})
}

func (f *Feature) pairVerify(_ context.Context, _ *rpc.Session, p protocol.NodePairVerifyParams) (protocol.NodePairVerifyResult, error) {
	n, err := f.store.verify(p.NodeID, p.Token)
	return protocol.NodePairVerifyResult{OK: n != nil, Node: n}, err
}

func (f *Feature) rename(_ context.Context, _ *rpc.Session, p protocol.NodeRenameParams) (protocol.NodeRenameParams, error) {
	p.NodeID, p.DisplayName = strings.TrimSpace(p.NodeID), strings.TrimSpace(p.DisplayName)
	if p.NodeID == "" || p.DisplayName == "" {
		return p, protocol.Invalid("nodeId and displayName required")
	}
	all, err := f.all()
	if err != nil {
		return p, err
	}
	known := slices.ContainsFunc(all, func(n protocol.Node) bool { return n.NodeID == p.NodeID })
	return p, wrong(f.store.rename(p.NodeID, p.DisplayName, known))
}

func (f *Feature) list(context.Context, *rpc.Session, protocol.Empty) (protocol.NodeListResult, error) {
	all, err := f.all()
	return protocol.NodeListResult{TS: f.now().UnixMilli(), Nodes: all}, err
}

func (f *Feature) describe(_ context.Context, _ *rpc.Session, p protocol.NodeParams) (protocol.NodeDescribeResult, error) {
	all, err := f.all()
	if err != nil {
		return protocol.NodeDescribeResult{}, err
	}
	for _, n := range all {
		if n.NodeID == strings.TrimSpace(p.NodeID) {
			return protocol.NodeDescribeResult{TS: f.now().UnixMilli(), Node: n}, nil
		}
	}
	return protocol.NodeDescribeResult{}, protocol.Invalid(errUnknownNode.Error())
}

// all lists the devices that are paired in the role node and the nodes that are
// connected: these first, then by name.
func (f *Feature) all() ([]protocol.Node, error) {
	_, devices, err := f.devices.List()
	if err != nil {
		return nil, err
	}
	names, err := f.store.given()
	if err != nil {
		return nil, err
	}
	nodes := []protocol.Node{}
	at := map[string]int{}
	for _, d := range devices {
		if d.Role == protocol.RoleNode || slices.Contains(d.Roles, protocol.RoleNode) {
			at[d.DeviceID] = len(nodes)
			nodes = append(nodes, protocol.Node{NodeID: d.DeviceID, DisplayName: d.DisplayName, Platform: d.Platform, RemoteIP: d.RemoteIP,
				Caps: []string{}, Commands: []string{}, Paired: true})
		}
	}
	for _, n := range f.live.list() {
		if i, ok := at[n.NodeID]; ok {
			n.Paired = true
			n.DisplayName = cmp.Or(n.DisplayName, nodes[i].DisplayName)
			nodes[i] = n
		} else {
			nodes = append(nodes, n)
		}
	}
	for i := range nodes {
		nodes[i].DisplayName = cmp.Or(names[nodes[i].NodeID], nodes[i].DisplayName)
	}
	slices.SortFunc(nodes, func(a, b protocol.Node) int {
		if a.Connected != b.Connected {
			return map[bool]int{true: -1, false: 1}[a.Connected]
		}
		name := func(n protocol.Node) string { return strings.ToLower(cmp.Or(n.DisplayName, n.NodeID)) }
		return cmp.Or(strings.Compare(name(a), name(b)), strings.Compare(a.NodeID, b.NodeID))
	})
	return nodes, nil
}

// wrong tells what the caller got wrong from what went wrong here.
func wrong(err error) error {
	if errors.Is(err, errUnknownRequest) || errors.Is(err, errUnknownNode) || errors.Is(err, errLargeRequest) || errors.Is(err, errLongName) {
		return protocol.Invalid(err.Error())
	}
	return err
}
