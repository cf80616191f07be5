package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestDevicesCannotPassForOthers: what a device says of itself makes no line of its own,
// and nothing that a terminal obeys.
func TestDevicesCannotPassForOthers(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{stdout: &out}
	evil := "phone\x1b[2J\n7c9e\tkim's laptop\u202e"
	if err := a.printDevices(protocol.DevicePairListResult{
		Pending: []protocol.PairRequest{{RequestID: "r1", DeviceID: "d1", DisplayName: evil, Role: "node\r", Scopes: []string{"operator.admin\x1b[8m"}}},
		Paired:  []protocol.PairedDevice{{DeviceID: "d2", DisplayName: evil, Roles: []string{"node\r"}, Scopes: []string{"a\x1b"}}},
	}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.ContainsAny(got, "\x1b\r\u202e") || strings.Count(got, "\n") != 6 || !strings.Contains(got, `"phone\x1b[2J\n7c9e\tkim's laptop\u202e`) {
		t.Errorf("%q", got)
	}
}

// TestDevicesKeepTheTableNarrow: what a device says of itself pushes nothing out of sight.
func TestDevicesKeepTheTableNarrow(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{stdout: &out}
	long := strings.Repeat("é", 5000)
	if err := a.printDevices(protocol.DevicePairListResult{
		Pending: []protocol.PairRequest{{RequestID: "r1", DeviceID: "d1", DisplayName: long, Role: "node", Scopes: []string{long, "operator.admin"}, RemoteIP: "fe80::1%\u202e"}},
		Paired:  []protocol.PairedDevice{{DeviceID: "d2", DisplayName: long, Scopes: []string{"operator." + long}}},
	}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if len([]rune(line)) > 200 || strings.Contains(line, "\u202e") {
			t.Errorf("%q", line)
		}
	}
	if !strings.Contains(out.String(), "…,admin ") {
		t.Errorf("a scope is not shown:\n%s", &out)
	}
}

func TestLogLinesObeyNobody(t *testing.T) {
	t.Parallel()
	got := shortLine([]byte(`{"time":"2026-11-29T10:00:00Z","level":"INFO","msg":"node exec.started","command":"\u001b]52;c;aWQ=\u0007","run":"ok","dir":"\u202e"}`))
	if strings.ContainsAny(got, "\x1b\a\u202e") || !strings.HasSuffix(got, ` node exec.started command="\x1b]52;c;aWQ=\a" run=ok dir="\u202e"`) {
		t.Errorf("%q", got)
	}
}
