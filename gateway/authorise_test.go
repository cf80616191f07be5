package gateway_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/client"
)

// mayCall is who may call what, as the family has it: the scope that each method needs,
// whether or not this version has the method. What is not listed needs operator.admin.
func mayCall() map[string][]string {
	return map[string][]string{
		"role node":          {"node.invoke.result", "node.event", "skills.bins"},
		"operator.approvals": {"exec.approval.request", "exec.approval.waitDecision", "exec.approval.resolve"},
		"operator.pairing": {"node.pair.request", "node.pair.list", "node.pair.approve", "node.pair.reject", "node.pair.verify", "device.pair.list", "device.pair.approve",
			"device.pair.reject", "device.pair.remove", "device.token.rotate", "device.token.revoke", "node.rename"},
		"operator.read": {"health", "logs.tail", "channels.status", "status", "usage.status", "usage.cost", "tts.status", "tts.providers", "models.list", "agents.list",
			"agent.identity.get", "skills.status", "voicewake.get", "sessions.list", "sessions.preview", "cron.list", "cron.status", "cron.runs", "system-presence",
			"last-heartbeat", "node.list", "node.describe", "chat.history", "config.get", "talk.config"},
		"operator.write": {"send", "agent", "agent.wait", "wake", "talk.mode", "tts.enable", "tts.disable", "tts.convert", "tts.setProvider", "voicewake.set", "node.invoke",
			"chat.send", "chat.abort", "browser.request", "push.test", "artifacts.sync"},
	}
}

// TestAuthorisation walks every method that is offered, and some that are not, with
// each scope by itself and as a node: who may not call it is told why, in the order in
// which role and scope count, and before it matters whether the method exists.
func TestAuthorisation(t *testing.T) {
	t.Parallel()
	r := start(t)
	offered := map[string]bool{}
	docs, _ := gateway.Reference()
	methods := []string{"no.such", "connect", "config.set", "skills.bins", "chat.send", "models.list"}
	for _, d := range docs {
		if !strings.HasPrefix(d.Name, "coderclaw.") { // of a rescue gateway
			methods = append(methods, d.Name)
			offered[d.Name] = true
		}
	}
	need := func(method string) string {
		for scope, list := range mayCall() {
			if slices.Contains(list, method) && (offered[method] || scope == "role node") {
				return scope
			}
		}
		return "operator.admin"
	}
	const node = "as a node"
	for _, who := range []string{node, "", "operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing", "operator.king"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			o := client.Options{Token: secret, Identity: identity(t), Scopes: []string{who}}
			switch who {
			case node:
				o.Role, o.ClientID, o.Mode, o.Scopes = "node", "node-host", "node", []string{}
			case "":
				o.Scopes = []string{}
			}
			c, err := r.dial(t, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, method := range methods {
				scope, want := need(method), ""
				switch {
				case (scope == "role node") != (who == node):
					want = "unauthorized role: operator"
					if who == node {
						want = "unauthorized role: node"
					}
				case who == node || who == "operator.admin" || who == scope || scope == "operator.read" && who == "operator.write":
				default:
					want = "missing scope: " + scope
				}
				if want == "" && !offered[method] {
					want = "unknown method: " + method
					if method == "connect" {
						want = "connect is only valid as the first request"
					}
				}
				got := text(c.Call(t.Context(), method, map[string]any{}, nil))
				refused := strings.HasPrefix(got, "missing scope: ") || strings.HasPrefix(got, "unauthorized role: ") || strings.HasPrefix(got, "unknown method: ")
				if want == "" && refused || want != "" && got != want {
					t.Errorf("%s: %q, want %q", method, got, want)
				}
			}
		})
	}
}
