package nodes

import (
	"slices"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func TestPolicy(t *testing.T) {
	t.Parallel()
	all := []string{" system.run ", "system.run", "system.which", "system.notify", "browser.proxy", "canvas.eval", "camera.list", "contacts.search", "camera.snap", "sms.send",
		"system.execApprovals.get", "my.own"}
	for _, tc := range []struct {
		name   string
		client protocol.ClientInfo
		policy Policy
		want   []string
	}{
		{"linux", protocol.ClientInfo{Platform: "linux"}, Policy{}, []string{"system.run", "system.which", "system.notify", "browser.proxy"}},
		{"windows", protocol.ClientInfo{Platform: "win32"}, Policy{}, []string{"system.run", "system.which", "system.notify", "browser.proxy"}},
		{"mac", protocol.ClientInfo{Platform: "darwin"}, Policy{}, []string{"system.run", "system.which", "system.notify", "browser.proxy", "canvas.eval", "camera.list", "contacts.search"}},
		{"ios", protocol.ClientInfo{Platform: "iOS 26.1"}, Policy{}, []string{"system.notify", "canvas.eval", "camera.list", "contacts.search"}},
		{"android", protocol.ClientInfo{Platform: "Android"}, Policy{}, []string{"canvas.eval", "camera.list", "contacts.search"}},
		{"by family", protocol.ClientInfo{Platform: "?", DeviceFamily: "iPad"}, Policy{}, []string{"system.notify", "canvas.eval", "camera.list", "contacts.search"}},
		{"unknown", protocol.ClientInfo{Platform: "plan9"}, Policy{}, []string{"system.run", "system.which", "system.notify", "browser.proxy", "canvas.eval", "camera.list"}},
		{"config", protocol.ClientInfo{Platform: "linux"}, Policy{Allow: []string{"my.own ", "sms.send", ""}, Deny: []string{" system.run", "sms.send"}},
			[]string{"system.which", "system.notify", "browser.proxy", "my.own"}},
	} {
		if got := tc.policy.Filter(tc.client, all); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	linux := protocol.ClientInfo{Platform: "linux"}
	for _, tc := range []struct {
		declared      []string
		command, want string
	}{
		{[]string{"system.run"}, "system.run", ""},
		{[]string{"system.run"}, "system.which", "command not declared by node"},
		{nil, "system.run", "node did not declare commands"},
		{[]string{"canvas.eval"}, "canvas.eval", "command not allowlisted"},
	} {
		if got := (Policy{}).refusal(linux, tc.declared, tc.command); got != tc.want {
			t.Errorf("%v %s: %q, want %q", tc.declared, tc.command, got, tc.want)
		}
	}
}
