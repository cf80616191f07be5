package discovery

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/internal/mdns"
)

func listening(at ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range at {
		out = append(out, netip.MustParseAddrPort(a))
	}
	return out
}

// TestAnnounced: what is told is true, and no more than what was asked for.
func TestAnnounced(t *testing.T) {
	t.Parallel()
	minimal := Options{Host: "box.example.org", Profile: "default", TLS: true, Fingerprint: "ab12", CLIPath: "/home/me/bin/coderclaw", SSHPort: 22}
	full, plain, long := minimal, minimal, minimal
	full.Full = true
	plain.TLS, plain.Profile = false, "my_dev"
	long.Full, long.CLIPath = true, "/"+strings.Repeat("x", maxText)
	for name, x := range map[string]struct {
		options Options
		want    mdns.Service
	}{
		"minimal": {minimal, mdns.Service{Instance: "box", Host: "box-coderclaw",
			Text: []string{"role=gateway", "transport=gateway", "displayName=box", "lanHost=box-coderclaw.local", "gatewayPort=18789", "gatewayTls=1", "gatewayTlsSha256=ab12"}}},
		"full": {full, mdns.Service{Instance: "box", Host: "box-coderclaw",
			Text: []string{"role=gateway", "transport=gateway", "displayName=box", "lanHost=box-coderclaw.local", "gatewayPort=18789", "gatewayTls=1", "gatewayTlsSha256=ab12",
				"cliPath=/home/me/bin/coderclaw", "sshPort=22"}}},
		"another profile, no TLS": {plain, mdns.Service{Instance: "box (my_dev)", Host: "box-coderclaw-my-dev",
			Text: []string{"role=gateway", "transport=gateway", "displayName=box (my_dev)", "lanHost=box-coderclaw-my-dev.local", "gatewayPort=18789"}}},
		"too long a path": {long, mdns.Service{Instance: "box", Host: "box-coderclaw",
			Text: []string{"role=gateway", "transport=gateway", "displayName=box", "lanHost=box-coderclaw.local", "gatewayPort=18789", "gatewayTls=1", "gatewayTlsSha256=ab12", "sshPort=22"}}},
	} {
		got := service(x.options, 18789)
		got.Retext = nil
		x.want.Type, x.want.Port = serviceType, 18789
		if d := cmp.Diff(x.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestWhere: a gateway is announced on the networks at which it listens, and never
// on this machine only.
func TestWhere(t *testing.T) {
	t.Parallel()
	link := func(name string, prefixes ...string) mdns.Link {
		l := mdns.Link{Interface: net.Interface{Name: name}}
		for _, p := range prefixes {
			l.Addrs = append(l.Addrs, netip.MustParsePrefix(p))
		}
		return l
	}
	links := []mdns.Link{link("lo", "127.0.0.1/8", "::1/128"), link("eth0", "192.0.2.5/24", "2001:db8::5/64"), link("wlan0", "198.51.100.5/24")}
	for _, x := range []struct {
		listening []netip.AddrPort
		port      uint16
		want      string
	}{
		{listening("127.0.0.1:1", "[::1]:1"), 0, ""},
		{listening("0.0.0.0:1"), 1, "eth0 192.0.2.5/24, wlan0 198.51.100.5/24"},
		{listening("[::]:1"), 1, "eth0 2001:db8::5/64"},
		{listening("127.0.0.1:1", "198.51.100.5:2"), 2, "wlan0 198.51.100.5/24"},
		{listening("203.0.113.9:1"), 1, ""},
		{nil, 0, ""},
	} {
		var got []string
		for _, l := range onlyWhere(links, x.listening) {
			words := []string{l.Interface.Name}
			for _, p := range l.Addrs {
				words = append(words, p.String())
			}
			got = append(got, strings.Join(words, " "))
		}
		if strings.Join(got, ", ") != x.want || reachable(x.listening) != x.port {
			t.Errorf("%v: got %q and port %d, want %q and %d", x.listening, got, reachable(x.listening), x.want, x.port)
		}
	}
}

// TestOneWarning: what cannot be announced is said once, and ends.
func TestOneWarning(t *testing.T) {
	t.Parallel()
	for want, at := range map[string]string{"only this machine can reach the gateway": "127.0.0.1:1", "no network here carries multicast": "203.0.113.9:1"} {
		var log strings.Builder
		Announce(t.Context(), Options{Host: "box", Listening: listening(at), Log: slog.New(slog.NewTextHandler(&log, nil))})
		if strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), want) {
			t.Errorf("%s: %s", at, log.String())
		}
	}
}

// TestBeacon: what strangers say is read as far as it can be.
func TestBeacon(t *testing.T) {
	t.Parallel()
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("fe80::1%eth0")}
	for name, x := range map[string]struct {
		found mdns.Found
		url   string
		want  func(Beacon) bool
	}{
		"whole": {mdns.Found{Instance: "box", Host: "box.local", Port: 4711, Addrs: addrs, Text: service(Options{Host: "box", TLS: true, Fingerprint: "ab", Full: true, SSHPort: 22}, 4711).Text},
			"wss://192.0.2.5:4711", func(b Beacon) bool {
				return b.TLS && b.Fingerprint == "ab" && b.SSHPort == 22 && b.GatewayPort == 4711 && b.Role == "gateway"
			}},
		"of the link": {mdns.Found{Port: 1, Addrs: addrs[1:]}, "ws://[fe80::1%25eth0]:1", nil},
		"names only":  {mdns.Found{Host: "box.local", Text: []string{"gatewayPort=9"}}, "ws://box.local:9", nil},
		"no port":     {mdns.Found{Text: []string{"tailnetDns=box.ts.net", "lanHost=box.local"}}, "ws://box.ts.net:18789", nil},
		"nothing":     {mdns.Found{}, "", nil},
		"nonsense": {mdns.Found{Instance: "\x1b[2Jbox\n\xff", Port: 1, Addrs: addrs, Text: []string{"gatewayPort=-1", "sshPort=99999", "gatewayTls=no", "=x", "lone", "role=\x07a", "role=b"}},
			"ws://192.0.2.5:1", func(b Beacon) bool {
				return b.InstanceName == "[2Jbox" && b.GatewayPort == 0 && b.SSHPort == 0 && !b.TLS && b.Role == "a" && slices.Contains([]string{""}, b.Text["lone"])
			}},
	} {
		got := beacon(x.found)
		if got.URL != x.url || x.want != nil && !x.want(got) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
