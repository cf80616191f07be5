package presence_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/presence"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

func session(device, mode string, scopes ...string) *rpc.Session {
	return &rpc.Session{ID: "conn-" + device, DeviceID: device, Role: protocol.RoleOperator, Scopes: scopes,
		Client: protocol.ClientInfo{ID: "webchat", Mode: mode, Version: "1", Platform: "linux"}}
}

// TestEntries: the newest come first, the gateway itself is always there, a
// device has one entry however often it comes, and the CLI has none.
func TestEntries(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	p := presence.New(presence.Self{Host: "h", Version: "2"}, func() time.Time { return now })
	p.Connected(session("Old", "webchat", "operator.read"))
	now = now.Add(time.Minute)
	p.Connected(session("new", "ui"))
	p.Connected(session("shell", "cli"))
	p.Connected(session("old", "webchat", "operator.admin")) // the same device, spelled in another way
	p.Disconnected(session("old", "webchat"))
	now = now.Add(time.Second)
	var got []string
	for _, e := range p.List() {
		got = append(got, fmt.Sprint(e.DeviceID, " ", e.Reason, " ", e.Scopes))
	}
	want := map[string]bool{"old disconnect [operator.admin operator.read]": true, "new connect []": true}
	if len(got) != 3 || got[0] != " self []" || !want[got[1]] || !want[got[2]] || got[1] == got[2] {
		t.Errorf("got %q", got)
	}
	if v := p.Version(); v != 5 {
		t.Errorf("version %d after four changes that count", v)
	}
}

// TestSilence: an entry that says nothing for five minutes is dropped.
func TestSilence(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	p := presence.New(presence.Self{Host: "h"}, func() time.Time { return now })
	p.Connected(session("a", "ui"))
	now = now.Add(5 * time.Minute)
	if n := len(p.List()); n != 2 {
		t.Errorf("%d entries after five minutes", n)
	}
	now = now.Add(time.Millisecond)
	if l := p.List(); len(l) != 1 || l[0].Reason != "self" {
		t.Errorf("after more than that: %+v", l)
	}
}

// TestMany: the list is bounded, and what is left out is the oldest.
func TestMany(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	p := presence.New(presence.Self{Host: "h"}, func() time.Time { return now })
	for i := range 300 {
		now = now.Add(time.Millisecond)
		p.Connected(session(fmt.Sprintf("d%d", i), "ui"))
	}
	now = now.Add(time.Millisecond)
	l := p.List()
	var encoded []protocol.PresenceEntry
	if err := json.Unmarshal(p.Encoded(), &encoded); err != nil || !reflect.DeepEqual(encoded, l) {
		t.Errorf("%v; the encoded list is another: %+v", err, encoded)
	}
	if len(l) != 200 || l[0].Reason != "self" || l[1].DeviceID != "d299" || l[199].DeviceID != "d101" {
		t.Errorf("%d entries, from %s to %s", len(l), l[1].DeviceID, l[len(l)-1].DeviceID)
	}
}

func TestTracked(t *testing.T) {
	t.Parallel()
	got := map[string]bool{}
	for _, mode := range []string{"cli", "ui", "probe"} {
		got[mode] = presence.Tracked(protocol.ClientInfo{Mode: mode})
	}
	if want := map[string]bool{"cli": false, "ui": true, "probe": true}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestSnapshot: what is of one version is one list, whoever comes meanwhile.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	p := presence.New(presence.Self{Host: "h"}, time.Now)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 150 {
			p.Connected(session(fmt.Sprint(i), "ui"))
		}
	}()
	for end := false; !end; {
		select {
		case <-done:
			end = true
		default:
		}
		raw, version := p.Snapshot()
		var list []protocol.PresenceEntry
		if err := json.Unmarshal(raw, &list); err != nil || int64(len(list)) != version {
			t.Fatalf("version %d has %d entries, %v", version, len(list), err)
		}
	}
}
