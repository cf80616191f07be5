package gateway

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// methodOrder is the order in which clients of the family are told of methods. Those
// of our own come after them.
func methodOrder() []string {
	return []string{"health", "logs.tail", "channels.status", "channels.logout", "status", "usage.status", "usage.cost", "tts.status", "tts.providers",
		"tts.enable", "tts.disable", "tts.convert", "tts.setProvider", "config.get", "config.set", "config.apply", "config.patch", "config.schema",
		"exec.approvals.get", "exec.approvals.set", "exec.approvals.node.get", "exec.approvals.node.set", "exec.approval.request",
		"exec.approval.waitDecision", "exec.approval.resolve", "wizard.start", "wizard.next", "wizard.cancel", "wizard.status", "talk.config", "talk.mode",
		"models.list", "agents.list", "agents.create", "agents.update", "agents.delete", "agents.files.list", "agents.files.get", "agents.files.set",
		"skills.status", "skills.bins", "skills.install", "skills.update", "artifacts.sync", "update.run", "voicewake.get", "voicewake.set",
		"sessions.list", "sessions.preview", "sessions.patch", "sessions.reset", "sessions.delete", "sessions.compact", "last-heartbeat",
		"set-heartbeats", "wake", "node.pair.request", "node.pair.list", "node.pair.approve", "node.pair.reject", "node.pair.verify", "device.pair.list",
		"device.pair.approve", "device.pair.reject", "device.pair.remove", "device.token.rotate", "device.token.revoke", "node.rename", "node.list",
		"node.describe", "node.invoke", "node.invoke.result", "node.event", "cron.list", "cron.status", "cron.add", "cron.update", "cron.remove",
		"cron.run", "cron.runs", "system-presence", "system-event", "send", "agent", "agent.identity.get", "agent.wait", "browser.request",
		"chat.history", "chat.abort", "chat.send"}
}

// inOrder sorts what has the names of methods.
func inOrder[T any](list []T, name func(T) string) []T {
	order := methodOrder()
	rank := func(v T) int {
		if i := slices.Index(order, name(v)); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(list, func(a, b T) int { return cmp.Compare(rank(a), rank(b)) })
	return list
}

// eventKind is what holds for all events of a name.
type eventKind struct {
	name      string
	payload   reflect.Type
	drop      bool      // who does not keep up goes without, instead of losing the connection
	need      rpc.Scope // of operators who get it; "": everybody does
	versioned bool      // it tells which state it belongs to
	alone     bool      // it goes to one client, without a number
}

// eventKinds are all events, in the order in which clients of the family are told of
// them; rescue tells whether the gateway sees to others.
func eventKinds(rescue bool) []eventKind {
	kinds := []eventKind{
		{name: "connect.challenge", payload: reflect.TypeFor[protocol.Challenge](), alone: true},
		{name: "presence", payload: reflect.TypeFor[protocol.PresenceEvent](), drop: true, versioned: true},
		{name: "tick", payload: reflect.TypeFor[protocol.TickEvent](), drop: true},
		{name: "shutdown", payload: reflect.TypeFor[protocol.ShutdownEvent]()},
		{name: "health", payload: reflect.TypeFor[protocol.HealthSummary](), versioned: true},
		{name: "heartbeat", payload: reflect.TypeFor[protocol.HeartbeatEvent](), drop: true},
		{name: "node.pair.requested", payload: reflect.TypeFor[protocol.NodePairRequest](), drop: true, need: rpc.ScopePairing},
		{name: "node.pair.resolved", payload: reflect.TypeFor[protocol.NodePairResolvedEvent](), drop: true, need: rpc.ScopePairing},
		{name: "node.invoke.request", payload: reflect.TypeFor[protocol.NodeInvokeEvent](), alone: true},
		{name: "device.pair.requested", payload: reflect.TypeFor[protocol.PairRequest](), drop: true, need: rpc.ScopePairing},
		{name: "device.pair.resolved", payload: reflect.TypeFor[protocol.PairResolvedEvent](), drop: true, need: rpc.ScopePairing},
		{name: "exec.approval.requested", payload: reflect.TypeFor[protocol.ExecApprovalRequestedEvent](), drop: true, need: rpc.ScopeApprovals},
		{name: "exec.approval.resolved", payload: reflect.TypeFor[protocol.ExecApprovalResolvedEvent](), drop: true, need: rpc.ScopeApprovals},
	}
	if rescue {
		kinds = append(kinds, eventKind{name: protocol.EventDoctor, payload: reflect.TypeFor[protocol.DoctorEvent](), alone: true})
	}
	return kinds
}

func kindsByName(rescue bool) map[string]eventKind {
	kinds := map[string]eventKind{}
	for _, k := range eventKinds(rescue) {
		kinds[k.name] = k
	}
	return kinds
}

// features is what clients are told that works.
func (g *Gateway) features() protocol.Features {
	f := protocol.Features{Methods: inOrder(g.mux.Methods(), func(name string) string { return name })}
	for _, k := range eventKinds(g.o.Rescue != nil) {
		f.Events = append(f.Events, k.name)
	}
	return f
}

// broadcast sends an event to everybody who may have it.
func (g *Gateway) broadcast(event string, payload any) { g.broadcastOf(event, payload, nil) }

// broadcastOf is broadcast of a payload that tells of a state: of is the version that the
// payload tells of, as the state may have changed since. It is nil for other payloads.
func (g *Gateway) broadcastOf(event string, payload any, of *protocol.StateVersion) {
	k, known := g.kinds[event]
	if !known {
		g.o.Log.Error("an event that clients are not told of was not sent", "event", event)
		return
	}
	d := rpc.Delivery{Drop: k.drop, Need: k.need, Version: of}
	if k.versioned != (of != nil) {
		g.o.Log.Error("an event was not sent: those of presence and health need the version of the state, others have none", "event", event)
		return
	}
	if err := g.hub.Broadcast(event, payload, d); err != nil {
		g.o.Log.Error("event", "event", event, "err", err)
	}
}
