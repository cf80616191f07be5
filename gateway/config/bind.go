package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// The values of gateway.bind.
const (
	BindLoopback = "loopback"
	BindAuto     = "auto" // the same as loopback
	BindLAN      = "lan"
	BindTailnet  = "tailnet"
	BindCustom   = "custom"
)

// BindAddrs returns where a gateway listens. The first address is mandatory, the
// others are optional: a host without IPv6 has no ::1. No mode ever yields an
// address wider than it says; what cannot be had is an error marked exitcode.Config.
// bind "" means loopback; customHost counts only for custom.
func BindAddrs(bind, customHost string, port int) ([]netip.AddrPort, error) {
	return bindAddrs(bind, customHost, port, net.InterfaceAddrs)
}

func bindAddrs(bind, customHost string, port int, interfaces func() ([]net.Addr, error)) ([]netip.AddrPort, error) {
	if port < 1 || port > 65535 {
		return nil, exitcode.With(exitcode.Config, fmt.Errorf("gateway.port: must be a whole number from 1 to 65535, is %d", port))
	}
	at := func(addrs ...netip.Addr) []netip.AddrPort {
		out := make([]netip.AddrPort, len(addrs))
		for i, a := range addrs {
			out[i] = netip.AddrPortFrom(a, uint16(port))
		}
		return out
	}
	switch bind {
	case "", BindLoopback, BindAuto:
		return at(netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()), nil
	case BindLAN:
		return at(netip.IPv4Unspecified()), nil
	case BindTailnet:
		addr, err := tailnetAddr(interfaces)
		if err != nil {
			return nil, exitcode.With(exitcode.Config, fmt.Errorf("gateway.bind %q: %w", bind, err))
		}
		return at(addr), nil
	case BindCustom:
		if customHost == "" {
			return nil, exitcode.With(exitcode.Config, errors.New(`gateway.bind is "custom", but gateway.customBindHost is not set; set it to an IP address of this machine`))
		}
		addr, err := parseBindHost(customHost)
		if err != nil {
			return nil, exitcode.With(exitcode.Config, fmt.Errorf("gateway.customBindHost: %w", err))
		}
		return at(addr), nil
	}
	return nil, exitcode.With(exitcode.Config, fmt.Errorf(`gateway.bind: must be "loopback", "lan", "tailnet", "auto" or "custom", is %q`, bind))
}

// tailnetAddr finds the address that Tailscale gave this machine.
func tailnetAddr(interfaces func() ([]net.Addr, error)) (netip.Addr, error) {
	addrs, err := interfaces()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("read the addresses of this machine: %w", err)
	}
	// 100.64.0.0/10, the shared range of RFC 6598 from which Tailscale hands out addresses.
	tailnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)
	for _, a := range addrs {
		ipNet, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if addr, ok := netip.AddrFromSlice(ipNet.IP); ok && tailnet.Contains(addr.Unmap()) {
			return addr.Unmap(), nil
		}
	}
	return netip.Addr{}, errors.New(`this machine has no address in 100.64.0.0/10; start Tailscale, or set gateway.bind to "loopback"`)
}

// parseBindHost accepts one address that a listener can mean. The address for all
// interfaces is refused because that is what "lan" says openly.
func parseBindHost(host string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address; write it like 192.168.1.10", host)
	}
	addr = addr.Unmap()
	if addr.IsUnspecified() {
		return netip.Addr{}, fmt.Errorf(`%s means every interface; if that is wanted, set gateway.bind to "lan"`, host)
	}
	if addr.IsMulticast() {
		return netip.Addr{}, fmt.Errorf("%s is a multicast address, on which nothing can listen", host)
	}
	return addr, nil
}
