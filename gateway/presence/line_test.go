package presence

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestLine: what is written as a line is read back from it.
func TestLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9.:-]([a-z0-9.: -]{0,8}[a-z0-9.:-])?`)
		seconds := rapid.Int64Range(0, 1<<40).Draw(t, "seconds")
		want := line{host: word.Draw(t, "host"), ip: word.Draw(t, "ip"), version: word.Draw(t, "version"), mode: word.Draw(t, "mode"),
			reason: word.Draw(t, "reason") + rapid.SampledFrom([]string{"", " · mode x"}).Draw(t, "more")}
		text := fmt.Sprintf("Node: %s (%s) · app %s · last input %ds ago · mode %s · reason %s", want.host, want.ip, want.version, seconds, want.mode, want.reason)
		got, ok := parseLine(text)
		if got.lastInput == nil || *got.lastInput != seconds {
			t.Fatalf("%q: last input %v", text, got.lastInput)
		}
		if got.lastInput = nil; !ok || got != want {
			t.Fatalf("%q: got %+v", text, got)
		}
	})
}

func TestIncompleteLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]line{
		"Node: desk": {host: "desk"},
		" Node:desk (my machine) (10.0.0.2) · new ": {host: "desk (my machine)", ip: "10.0.0.2"},
		"Node: desk · mode ui":                      {host: "desk", mode: "ui"},
		"Node: (10.0.0.2) · last input -1s ago":     {ip: "10.0.0.2"},
		"Node:":                                     {},
		"Node: a)":                                  {host: "a)"},
	} {
		if got, ok := parseLine(text); !ok || got != want {
			t.Errorf("%q: %+v, %v", text, got, ok)
		}
	}
	if _, ok := parseLine("node: desk"); ok {
		t.Error("a text that begins in another way is taken for a line")
	}
}

func FuzzLine(f *testing.F) {
	f.Add("Node: desk (10.0.0.2) · app 1 · last input 5s ago · mode ui · reason launch")
	f.Fuzz(func(t *testing.T, text string) {
		l, ok := parseLine(text)
		for _, part := range []string{l.host, l.ip, l.version, l.mode, l.reason} {
			if !strings.Contains(text, part) || part != strings.TrimSpace(part) || !ok && part != "" {
				t.Errorf("%q in %+v", part, l)
			}
		}
		if l.lastInput != nil && *l.lastInput < 0 {
			t.Errorf("%d s", *l.lastInput)
		}
	})
}

// TestChange: an agent is told what is new, and nothing of what comes again and again.
func TestChange(t *testing.T) {
	t.Parallel()
	desk := protocol.PresenceEntry{Host: "desk", IP: "10.0.0.2", Version: "1", Mode: "ui", Reason: "launch"}
	with := func(f func(*protocol.PresenceEntry)) protocol.PresenceEntry { e := desk; f(&e); return e }
	for _, tc := range []struct {
		name          string
		before, after protocol.PresenceEntry
		want          string
	}{
		{"new", protocol.PresenceEntry{}, desk, "Node: desk (10.0.0.2) · app 1 · mode ui · reason launch"},
		{"the same", desk, desk, ""},
		{"heartbeat", desk, with(func(e *protocol.PresenceEntry) { e.Reason = "Heartbeat" }), ""},
		{"periodic", desk, with(func(e *protocol.PresenceEntry) { e.Reason = "periodic-check" }), ""},
		{"reason", desk, with(func(e *protocol.PresenceEntry) { e.Reason = "wake" }), "Node: desk (10.0.0.2) · reason wake"},
		{"address", desk, with(func(e *protocol.PresenceEntry) { e.IP = "10.0.0.3" }), "Node: desk (10.0.0.3)"},
		{"version and a routine reason", desk, with(func(e *protocol.PresenceEntry) { e.Version, e.Reason = "2", "periodic" }), "Node: desk (10.0.0.2) · app 2"},
		{"nothing known", protocol.PresenceEntry{}, protocol.PresenceEntry{Mode: "ui"}, "Node: unknown · mode ui"},
	} {
		if got := change(tc.before, tc.after); got != tc.want {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
}
