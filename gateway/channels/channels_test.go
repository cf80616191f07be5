package channels

import (
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestStatus: webchat is connected while clients are, and only a probe has a time.
func TestStatus(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1234)
	clients := 0
	f := New(func() int { return clients }, func() time.Time { return at })
	for _, tc := range []struct {
		clients   int
		probe     bool
		connected bool
		probed    int64
	}{{0, false, false, 0}, {2, false, true, 0}, {0, true, false, 1234}} {
		clients = tc.clients
		got, err := f.status(t.Context(), nil, protocol.ChannelsStatusParams{Probe: tc.probe})
		if err != nil {
			t.Fatal(err)
		}
		a := got.ChannelAccounts["webchat"]
		if len(a) != 1 || a[0].Connected != tc.connected || a[0].LastProbeAt != tc.probed || !a[0].Running || got.TS != 1234 {
			t.Errorf("%+v: %+v", tc, got)
		}
	}
}

// TestOrder: every channel that is in the order has a label and a state.
func TestOrder(t *testing.T) {
	t.Parallel()
	state, order, labels := New(nil, nil).Health()
	for _, id := range order {
		if _, ok := state[id]; !ok || labels[id] == "" {
			t.Errorf("%s: state %v, label %q", id, ok, labels[id])
		}
	}
	if len(order) != len(state) || len(order) != len(labels) {
		t.Errorf("%d in the order, %d states, %d labels", len(order), len(state), len(labels))
	}
}
