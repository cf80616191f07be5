package servicegen

import (
	"net/netip"
	"path"

	"github.com/coderclaw/coderclaw/profiles"
)

// Shape is one kind of systemd unit that is rendered, for checks by systemd itself.
type Shape struct {
	Name string
	Spec Spec
}

// Shapes lists every kind of systemd unit, each with plain paths and with paths
// that hold all that means something to systemd. exe is the program for the plain
// ones and odd that for the others; both lie below home.
func Shapes(home, exe, odd string) []Shape {
	local := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:18789"), netip.MustParseAddrPort("[::1]:18789")}
	network := []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:18789"), netip.MustParseAddrPort("192.0.2.1:18789")}
	state := path.Join(home, ".coderclaw")
	p := profiles.Profile{
		Name: profiles.Default, Port: 18789, StateDir: state, ConfigPath: state + "/coderclaw.json", Workspace: state + "/workspace",
		Drain: profiles.DefaultDrain, Isolation: profiles.IsolationStandard, Allow: []string{`/etc/a "b" $c 50%/ü`},
	}
	free := p
	free.Isolation = profiles.IsolationOff
	o := SpecOptions{Format: FormatSystemd, Exe: exe, RegistryPath: path.Join(home, ".config/coderclaw/profiles.toml"), Version: "0.0.0"}
	with := func(change func(*SpecOptions)) SpecOptions {
		c := o
		change(&c)
		return c
	}
	system := func(user string) SpecOptions {
		return with(func(c *SpecOptions) { c.Scope, c.User = ScopeSystem, user })
	}
	systemSocket := system("daemon")
	systemSocket.Listen = network
	systemOdd := system("daemon")
	systemOdd.Exe, systemOdd.RegistryPath, systemOdd.Group = odd, path.Join(path.Dir(odd), "profiles.toml"), "daemon"
	userOdd := with(func(c *SpecOptions) { c.Exe, c.RegistryPath = odd, path.Join(path.Dir(odd), "profiles.toml") })
	userSocket := with(func(c *SpecOptions) { c.Listen = local })
	return []Shape{
		{"user", ForProfile(p, o)},
		{"user, odd paths", ForProfile(p, userOdd)},
		{"user, not isolated", ForProfile(free, o)},
		{"user, with a socket", ForProfile(p, userSocket)},
		{"user, socket", SocketFor(p, userSocket)},
		{"system", ForProfile(p, system("daemon"))},
		{"system, odd paths", ForProfile(p, systemOdd)},
		{"system, as root", ForProfile(p, system("root"))},
		{"system, with a socket", ForProfile(p, systemSocket)},
		{"system, socket", SocketFor(p, systemSocket)},
	}
}
