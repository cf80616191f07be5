package gateway_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// hear connects as one who may do everything and passes on the events of that name.
func (r *running) hear(t *testing.T, event string) (*client.Client, <-chan protocol.Event) {
	t.Helper()
	heard := make(chan protocol.Event, 64)
	c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t), OnEvent: func(e protocol.Event) {
		if e.Event == event {
			heard <- e
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c, heard
}

func decode[T any](t *testing.T, raw json.RawMessage) (v T) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}

func ask[T any](t *testing.T, c *client.Client, method string, params any) T {
	t.Helper()
	var raw json.RawMessage
	if err := c.Call(t.Context(), method, params, &raw); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return decode[T](t, raw)
}

// TestSystemEvent: everybody is told of a program that says something of itself, once
// for what comes together, and the agent is to be told what is new.
func TestSystemEvent(t *testing.T) {
	t.Parallel()
	r := start(t)
	c, heard := r.hear(t, "presence")
	line := "Node: desk (10.0.0.2) · app 1 · last input 5s ago · mode ui · reason "
	for _, p := range []object{
		{"text": line + "launch", "instanceId": "I-1", "platform": "macos", "tags": []any{"a", ""}, "scopes": []any{"a", 7}, "roles": "none", "unknown": 1},
		{"text": line + "periodic", "instanceId": "i-1", "lastInputSeconds": 9.7},
		{"text": " somebody rang ", "deviceFamily": "Door"},
		{"text": "somebody rang"},
	} {
		if res := ask[protocol.OK](t, c, "system-event", p); !res.OK {
			t.Errorf("%v: %+v", p, res)
		}
	}
	for _, p := range []object{{}, {"text": " "}, {"text": 7}} {
		if err := c.Call(t.Context(), "system-event", p, nil); text(err) != "text required" {
			t.Errorf("%v: %v", p, err)
		}
	}
	entries := map[string]protocol.PresenceEntry{}
	for len(entries) < 3 {
		e := <-heard
		if e.Seq == nil || e.StateVersion == nil || e.StateVersion.Presence < 2 {
			t.Errorf("%+v", e)
		}
		clear(entries)
		for _, entry := range decode[protocol.PresenceEvent](t, e.Payload).Presence {
			entries[entry.Host] = entry
		}
	}
	desk, door := entries["desk"], entries[""]
	if desk.IP != "10.0.0.2" || desk.Version != "1" || desk.Mode != "ui" || desk.Reason != "periodic" || desk.Platform != "macos" || desk.InstanceID != "i-1" ||
		desk.Text != line+"periodic" || desk.LastInputSeconds == nil || *desk.LastInputSeconds != 9 || !slices.Equal(desk.Tags, []string{"a"}) || len(desk.Roles)+len(desk.Scopes) > 0 {
		t.Errorf("desk: %+v", desk)
	}
	if door.Text != "somebody rang" || door.DeviceFamily != "Door" {
		t.Errorf("door: %+v", door)
	}
	want := []string{"Node: desk (10.0.0.2) · app 1 · mode ui · reason launch", "somebody rang"}
	if got := ask[protocol.StatusSummary](t, c, "status", nil).QueuedSystemEvents; !slices.Equal(got, want) {
		t.Errorf("queued %q", got)
	}
}

// TestEventsAreBounded: whatever is said, little of it is kept.
func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	r := start(t)
	c, _ := r.hear(t, "")
	long := strings.Repeat("é", 1<<20)
	for range 3 {
		ask[protocol.OK](t, c, "system-event", object{"text": long, "host": long, "instanceId": long, "tags": slices.Repeat([]string{long[:1000]}, 200)})
	}
	var size int
	for _, e := range ask[[]protocol.PresenceEntry](t, c, "system-presence", nil) {
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		size += len(raw)
	}
	queued := ask[protocol.StatusSummary](t, c, "status", nil).QueuedSystemEvents
	if size > 64<<10 || len(queued) != 1 || len(queued[0]) > 16<<10 {
		t.Errorf("%d bytes of presence, %d notes", size, len(queued))
	}
}

// TestWake: what an agent is woken for waits, and as there is no agent, everybody is
// told that it was not woken.
func TestWake(t *testing.T) {
	t.Parallel()
	r := start(t)
	c, heard := r.hear(t, "heartbeat")
	if last := ask[*protocol.HeartbeatEvent](t, c, "last-heartbeat", nil); last != nil {
		t.Errorf("before any: %+v", last)
	}
	if res := ask[protocol.OK](t, c, "wake", object{"mode": "now", "text": "look"}); !res.OK {
		t.Errorf("wake: %+v", res)
	}
	e := <-heard
	told := decode[protocol.HeartbeatEvent](t, e.Payload)
	if told.Status != protocol.HeartbeatSkipped || told.Reason != "no-agent" || told.TS == 0 || e.Seq == nil || e.StateVersion != nil {
		t.Errorf("told %s", e.Payload)
	}
	if last := ask[*protocol.HeartbeatEvent](t, c, "last-heartbeat", nil); last == nil || *last != told {
		t.Errorf("last: %+v, told %+v", last, told)
	}
	if res := ask[protocol.OK](t, c, "wake", object{"mode": "next-heartbeat", "text": " "}); res.OK {
		t.Errorf("a blank text: %+v", res)
	}
	for params, want := range map[string]string{
		`{}`: "invalid wake params: must have required property 'mode'; must have required property 'text'",
		`{"mode":"soon","text":""}`: "invalid wake params: at /mode: must be equal to constant; at /mode: must match a schema in anyOf; " +
			"at /text: must NOT have fewer than 1 characters",
	} {
		if err := c.Call(t.Context(), "wake", json.RawMessage(params), nil); text(err) != want {
			t.Errorf("%s: %v", params, err)
		}
	}
	if got := ask[protocol.StatusSummary](t, c, "status", nil).QueuedSystemEvents; !slices.Equal(got, []string{"look"}) {
		t.Errorf("queued %q", got)
	}
}

// TestSetHeartbeats: health and status say at once what was set.
func TestSetHeartbeats(t *testing.T) {
	t.Parallel()
	r := startWith(t, func(o *gateway.Options) { o.Config.Config.Agents.Defaults.Heartbeat.Every = "half an hour" })
	c, heard := r.hear(t, "heartbeat")
	for _, on := range []bool{true, false, true} {
		if res := ask[protocol.SetHeartbeatsResult](t, c, "set-heartbeats", object{"enabled": on, "more": 1}); !res.OK || res.Enabled != on {
			t.Errorf("set %v: %+v", on, res)
		}
		seconds := map[bool]int64{true: 1800}[on]
		h, s := ask[protocol.HealthSummary](t, c, "health", nil), ask[protocol.StatusSummary](t, c, "status", nil)
		if got := h.Agents[0].Heartbeat; h.HeartbeatSeconds != seconds || got.Enabled != on || got.Every != "half an hour" || *got.EveryMs != 1_800_000 || got.Target != "last" || got.AckMaxChars != 300 || got.Prompt == "" {
			t.Errorf("health: %d %+v", h.HeartbeatSeconds, got)
		}
		if got := s.Heartbeat.Agents[0]; got.Enabled != on || got.Every != "half an hour" || *got.EveryMs != 1_800_000 || got.AgentID != s.Heartbeat.DefaultAgentID {
			t.Errorf("status: %+v", got)
		}
		if !on {
			ask[protocol.OK](t, c, "wake", object{"mode": "now", "text": "x"})
			if told := decode[protocol.HeartbeatEvent](t, (<-heard).Payload); told.Status != protocol.HeartbeatSkipped || told.Reason != "disabled" {
				t.Errorf("told %+v", told)
			}
		}
	}
	for _, p := range []any{nil, object{}, object{"enabled": "yes"}, object{"enabled": nil}} {
		if err := c.Call(t.Context(), "set-heartbeats", p, nil); text(err) != "invalid set-heartbeats params: enabled (boolean) required" {
			t.Errorf("%v: %v", p, err)
		}
	}
}

// TestHealthOfQuestions: when somebody's questions make new summaries, everybody is told
// of the last; an answer from memory is no news.
func TestHealthOfQuestions(t *testing.T) {
	t.Parallel()
	r := start(t)
	c, heard := r.hear(t, "health")
	greeting := <-heard
	for _, p := range []object{{}, {"probe": true}, {}, {"probe": true}, {}} {
		ask[protocol.HealthSummary](t, c, "health", p)
	}
	if greeting.Seq != nil || greeting.StateVersion == nil {
		t.Errorf("greeting %v %+v", greeting.Seq, greeting.StateVersion)
	}
	for last := int64(0); last != greeting.StateVersion.Health+2; {
		e := <-heard
		if e.Seq == nil || e.StateVersion == nil || e.StateVersion.Health <= greeting.StateVersion.Health || e.StateVersion.Health > greeting.StateVersion.Health+2 {
			t.Fatalf("%v %+v after %+v", e.Seq, e.StateVersion, greeting.StateVersion)
		}
		last = e.StateVersion.Health
	}
}

// TestPresenceOnDisconnect: everybody is told when a client has gone.
func TestPresenceOnDisconnect(t *testing.T) {
	t.Parallel()
	r := start(t)
	_, heard := r.hear(t, "presence")
	ui, err := r.dial(t, client.Options{Token: secret, Identity: identity(t), ClientID: "gateway-client", Mode: "ui", DisplayName: "desk"})
	if err != nil {
		t.Fatal(err)
	}
	ui.Close()
	e := <-heard
	p := decode[protocol.PresenceEvent](t, e.Payload)
	found := false
	for _, entry := range p.Presence {
		found = found || entry.Host == "desk" && entry.Reason == "disconnect" && entry.Text == "Node: desk · mode ui"
	}
	if !found || e.StateVersion == nil || e.Seq == nil {
		t.Errorf("got %s", e.Payload)
	}
}
