package rpc

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestFrames: the frames are those that json.Marshal makes of their types.
func TestFrames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		payload := json.RawMessage(rapid.SampledFrom([]string{"", "{}", `{"a":[1,"b",null]}`, "null", `"x"`}).Draw(t, "payload"))
		res, err := json.Marshal(protocol.Response{Type: protocol.TypeResponse, ID: name, OK: true, Payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		same(t, responseFrame(name, payload), res)
		ev := protocol.Event{Type: protocol.TypeEvent, Event: name, Payload: payload}
		if rapid.Bool().Draw(t, "versioned") {
			ev.StateVersion = &protocol.StateVersion{Presence: rapid.Int64().Draw(t, "presence"), Health: rapid.Int64().Draw(t, "health")}
		}
		seq := rapid.Int64Range(0, 1<<62).Draw(t, "seq")
		if seq > 0 {
			ev.Seq = &seq
		}
		want, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		same(t, eventFrame(name, payload, seq, ev.StateVersion), want)
	})
}

// same compares two JSON texts, which may escape in different ways.
func same(t *rapid.T, got, want []byte) {
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if string(x) != string(y) {
		t.Fatalf("got %s, want %s", got, want)
	}
}
