package gateway

import (
	"slices"
	"strings"
	"testing"
)

// TestFeaturesAreInOrder: every method that works has its place in the order of the
// family, or is of our own.
func TestFeaturesAreInOrder(t *testing.T) {
	t.Parallel()
	order := methodOrder()
	last := -1
	methods, events := Reference()
	for _, m := range methods {
		i := slices.Index(order, m.Name)
		if i < 0 && !strings.HasPrefix(m.Name, "coderclaw.") || i >= 0 && i <= last {
			t.Errorf("%s is in the %dth place after %d", m.Name, i, last)
		}
		if i >= 0 {
			last = i
		}
	}
	seen := map[string]bool{}
	for _, name := range order {
		if seen[name] {
			t.Errorf("%s has two places", name)
		}
		seen[name] = true
	}
	family := []string{"connect.challenge", "agent", "chat", "presence", "tick", "talk.mode", "shutdown", "health", "heartbeat", "cron", "node.pair.requested", "node.pair.resolved",
		"node.invoke.request", "device.pair.requested", "device.pair.resolved", "voicewake.changed", "exec.approval.requested", "exec.approval.resolved", "coderclaw.doctor"}
	last = -1
	for _, e := range events {
		i := slices.Index(family, e)
		if i <= last {
			t.Errorf("%s is in the %dth place after %d", e, i, last)
		}
		last = i
	}
}

// TestWhoMissesWhat: which events may be left out for one who does not keep up, and who
// gets them at all.
func TestWhoMissesWhat(t *testing.T) {
	t.Parallel()
	for _, k := range eventKinds(true) {
		drop := slices.Contains([]string{"tick", "presence", "heartbeat"}, k.name)
		need := ""
		for prefix, scope := range map[string]string{"device.pair.": "operator.pairing", "node.pair.": "operator.pairing", "exec.approval.": "operator.approvals"} {
			if strings.HasPrefix(k.name, prefix) {
				drop, need = true, scope
			}
		}
		if versioned := k.name == "presence" || k.name == "health"; k.drop != drop || string(k.need) != need || k.versioned != versioned || k.payload == nil {
			t.Errorf("%+v", k)
		}
	}
}
