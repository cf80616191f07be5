package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/openclawtest"
)

// both are a client of the family and a gateway of ours.
type both struct {
	*testing.T
	g     *lone
	run   func(t *testing.T, args ...string) openclawtest.Result
	known map[string]string // what command lines name by $NAME
}

func (b *both) expand(s string) string {
	return os.Expand(s, func(name string) string { return b.known[name] })
}

// knock leaves two devices waiting, whose requests are $FIRST and $SECOND.
func (b *both) knock() {
	ids := b.g.knock(2)
	b.known["FIRST"], b.known["SECOND"] = ids[0], ids[1]
}

// commands are the client's own commands, which hide the methods that they call.
func (b *both) commands(home string) {
	// One has no flags that say where the gateway is, and would load the client's plugins.
	config := fmt.Sprintf(`{"plugins": {"enabled": false}, "gateway": {"mode": "remote", "remote": {"url": %q, "token": %q}}}`, b.g.url, b.g.token())
	if err := os.MkdirAll(filepath.Join(home, ".openclaw"), 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".openclaw", "openclaw.json"), []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	b.knock()
	for _, tc := range []struct {
		args, want string
		code       int
	}{
		{"channels status --probe", "Gateway reachable", 0},
		{"logs --plain --limit 20", "gateway ready", 0},
		{"logs --json --limit 20", `"type":"log"`, 0},
		{"system presence --json", `"mode": "gateway"`, 0},
		{"devices list --json", "$FIRST", 0},
		{"devices approve $FIRST", "Approved", 0},
		{"devices reject $SECOND", "Rejected", 0},
		{"devices reject $SECOND", "unknown requestId", 1},
		{"nodes status", "box", 0},
		{"nodes list", "Pending: 0", 0},
		{"nodes describe --node box", "system.which", 0},
		{"nodes describe --node nobody", "unknown node: nobody", 1},
		{"nodes invoke --node box --command system.which --params {\"bins\":[\"sh\"]} --json", "/sh\"", 0},
		{"approvals get --gateway", "exec-approvals.json", 0},
		{"approvals get --node box", "exec-approvals.json", 0},
		{"nodes rename --node box --name attic", "attic", 0},
		{"nodes describe --node box", "unknown node: box", 1},
		{"gateway call health --params {", "Gateway call failed: ", 1},
	} {
		b.Run(tc.args, func(t *testing.T) {
			args, want := strings.Fields(b.expand(tc.args)), b.expand(tc.want)
			if !strings.HasPrefix(tc.args, "channels") {
				args = b.g.at(args...)
			}
			if got := b.run(t, args...); got.Code != tc.code || !strings.Contains(got.Text(), want) {
				t.Errorf("exit %d, want %d and %q\n%s", got.Code, tc.code, want, got.Text())
			}
		})
	}
}

// calls makes a `gateway call` of every method that is known to the gateway or to
// the table.
func (b *both) calls() {
	b.knock()
	seen := map[string]bool{}
	for _, c := range openClawCalls {
		b.Run(c.method+" "+c.params, func(t *testing.T) { b.call(t, c) })
		seen[c.method] = true
	}
	for _, m := range b.g.methods {
		if !seen[m] {
			b.Run(m, func(t *testing.T) { b.unlisted(t, m) })
		}
		if !looseMethods[m] {
			b.Run(m+" with more", func(t *testing.T) {
				b.refused(t, m, `{"surplus":1}`, "invalid "+m+" params: ", "at root: unexpected property 'surplus'")
			})
		}
	}
}

func (b *both) call(t *testing.T, c openClawCall) {
	if !slices.Contains(b.g.methods, c.method) {
		b.refused(t, c.method, "{}", "unknown method: "+c.method)
		return
	}
	params := b.expand(c.params)
	if c.refused != "" {
		b.refused(t, c.method, params, c.refused)
		return
	}
	got := b.run(t, b.g.at("gateway", "call", c.method, "--json", "--params", params)...)
	if got.Code != 0 {
		t.Fatalf("%s: exit %d\n%s", params, got.Code, got.Text())
	}
	if d := openclawtest.Differs(got.Stdout, c.shape); d != "" {
		t.Errorf("%s: %s\n%s", params, d, got.Stdout)
	}
	if c.keep == "" {
		return
	}
	name, path, _ := strings.Cut(c.keep, "=")
	var v any
	if err := json.Unmarshal([]byte(got.Stdout), &v); err != nil {
		t.Fatal(err)
	}
	for key := range strings.SplitSeq(path, "/") {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	b.known[name] = fmt.Sprint(v)
}

func (b *both) refused(t *testing.T, method, params string, want ...string) {
	got := b.run(t, b.g.at("gateway", "call", method, "--json", "--params", params)...)
	for _, w := range append(want, "Gateway call failed: Error: ") {
		if got.Code != 1 || !strings.Contains(got.Stderr, w) {
			t.Errorf("%s: exit %d, want 1 and %q\n%s", params, got.Code, w, got.Text())
		}
	}
}

// unlisted is for methods of which the table does not know.
func (b *both) unlisted(t *testing.T, method string) {
	got := b.run(t, b.g.at("gateway", "call", method, "--json")...)
	switch {
	case got.Code == 0 && json.Valid([]byte(got.Stdout)):
	case got.Code == 1 && strings.Contains(got.Stderr, "Error: invalid "+method+" params: "):
	default:
		t.Errorf("exit %d\n%s", got.Code, got.Text())
	}
}

// looseMethods ignore parameters that they do not know.
var looseMethods = map[string]bool{
	"health": true, "status": true, "system-presence": true, "last-heartbeat": true, "set-heartbeats": true, "system-event": true,
	"exec.approval.waitDecision": true, "node.invoke.result": true, "node.event": true, // of the last two the role is looked at first
}
