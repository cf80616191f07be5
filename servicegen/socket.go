package servicegen

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coderclaw/coderclaw/profiles"
)

// A socket unit holds the listeners of a service, so that whoever connects while
// the service is being replaced waits instead of being refused. The service only
// wants it: where it cannot listen, the supervisor still starts, binds by itself
// and says who is in the way. A stop that is to last must end the socket first,
// or the next client starts the service again.

const (
	socketSuffix = ".socket"
	socketFDName = "gateway"
	// socketBacklog is how many clients may wait; Go asks for as many, the usual
	// limit of the kernel (net.core.somaxconn).
	socketBacklog = 4096
)

func socketName(p profiles.Profile) string {
	return strings.TrimSuffix(p.UnitName(), ".service") + socketSuffix
}

// SocketFor returns the socket unit of the service that ForProfile describes for
// the same arguments; o.Listen holds at least one address. It is a Spec like any
// other: Render, View, Rewrite, Unit and Install take it.
func SocketFor(p profiles.Profile, o SpecOptions) Spec {
	s := ForProfile(p, o)
	return Spec{
		Format: s.Format, Scope: s.Scope, Name: socketName(p), Profile: p.Name, Version: s.Version,
		Description: strings.Replace(s.Description, "Gateway", "Gateway sockets", 1), Listen: o.Listen,
	}
}

func (s Spec) isSocket() bool {
	return s.Format == FormatSystemd && strings.HasSuffix(s.Name, socketSuffix)
}

// IsSocket tells whether the unit is a socket unit.
func (u Unit) IsSocket() bool { return strings.HasSuffix(u.Name, socketSuffix) }

// Socket is the socket unit that may lie beside a systemd service. Where its file
// is there, the service is to be described with SpecOptions.Listen.
func (u Unit) Socket() Unit {
	name := strings.TrimSuffix(u.Name, ".service") + socketSuffix
	out := Unit{Name: name, Scope: u.Scope}
	if u.Path != "" {
		out.Path = filepath.Join(filepath.Dir(u.Path), name)
	}
	return out
}

func (s Spec) validateSocket() error {
	if len(s.Listen) == 0 {
		return fmt.Errorf("service %s: a socket unit needs an address to listen on", s.Name)
	}
	for _, a := range s.Listen {
		if !a.IsValid() || a.Port() == 0 || a.Addr().Is4In6() {
			return fmt.Errorf("service %s: address %s: want an address of IPv4 or IPv6 and a port", s.Name, a)
		}
	}
	if len(s.Exec)+len(s.Env)+len(s.Writable) > 0 || s.User != "" || s.Group != "" || s.LogDir != "" || s.Socket != "" || s.Unconfined || s.StopTimeout != 0 {
		return fmt.Errorf("service %s: a socket unit runs nothing", s.Name)
	}
	return s.carries()
}

// socketSettings lists what a socket unit says, in order.
func (s Spec) socketSettings() []setting {
	out := []setting{{"Unit", "Description", escapePercent(s.Description)}}
	late := false
	for _, a := range s.Listen {
		out = append(out, setting{"Socket", "ListenStream", escapePercent(listenText(a))})
		late = late || !a.Addr().IsLoopback() && !a.Addr().IsUnspecified()
	}
	out = append(out,
		setting{"Socket", "FileDescriptorName", socketFDName},
		setting{"Socket", "BindIPv6Only", "ipv6-only"}, // as the supervisor binds: [::] leaves 0.0.0.0 alone
		setting{"Socket", "Backlog", strconv.Itoa(socketBacklog)},
		setting{"Socket", "NoDelay", "yes"},
	)
	if late { // an address of a network may come up after the socket, and one that cannot be bound fails them all
		out = append(out, setting{"Socket", "FreeBind", "yes"})
	}
	return append(out, setting{"Install", "WantedBy", "sockets.target"})
}

// fillSocket writes what a manager shows of a loaded socket unit.
func (v *View) fillSocket(p properties) {
	set := v.Values
	set["Description"] = escapePercent(p.text("Description"))
	rows, _ := p["Listen"].([][]any)
	var addrs []string
	for _, row := range rows {
		if len(row) == 2 && row[0] == "Stream" {
			addrs = append(addrs, escapePercent(fmt.Sprint(row[1])))
		}
	}
	if len(addrs) > 0 {
		set["ListenStream"] = canonicalSet(strings.Join(addrs, " "))
	}
	set["FileDescriptorName"] = p.text("FileDescriptorName")
	set["BindIPv6Only"] = p.text("BindIPv6Only")
	set["Backlog"] = strconv.FormatInt(p.number("Backlog"), 10)
	set["NoDelay"] = yesNo(p.flag("NoDelay"))
	set["FreeBind"] = yesNo(p.flag("FreeBind"))
}

// listenText writes an address as systemd reads it, with the zone at the end.
func listenText(a netip.AddrPort) string {
	zone := a.Addr().Zone()
	if zone == "" {
		return a.String()
	}
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String() + "%" + zone
}

// parseListen reads what listenText writes.
func parseListen(text string) (netip.AddrPort, error) {
	text, zone, _ := strings.Cut(text, "%")
	a, err := netip.ParseAddrPort(text)
	if err != nil || zone == "" {
		return a, err
	}
	return netip.AddrPortFrom(a.Addr().WithZone(zone), a.Port()), nil
}

// canonicalAddr brings ListenStream into the form of listenText.
func canonicalAddr(v string) string {
	var out []string
	for _, w := range strings.Fields(v) {
		if a, err := parseListen(unescapePercent(w)); err == nil {
			w = escapePercent(listenText(a))
		}
		out = append(out, w)
	}
	return canonicalSet(strings.Join(out, " "))
}
