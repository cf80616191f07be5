//go:build unix

package supervisor

import (
	"net/netip"
	"os"
	"testing"

	"github.com/coderclaw/coderclaw/instance"
)

// addrs makes addresses with one port.
func addrs(port int, ips ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, ip := range ips {
		out = append(out, netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(port)))
	}
	return out
}

func TestBlockedReasons(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		port int
		want string
	}{
		{errNoSuchAddr, 5000, "this machine has no address 192.0.2.1"},
		{os.ErrPermission, 80, "port 80 needs root; choose a gateway.port above 1023"},
		{os.ErrInvalid, 5000, "port 5000 cannot be bound on 192.0.2.1: invalid argument"},
	} {
		got := new(listeners).blockedLocked(addrs(tc.port, "192.0.2.1")[0], tc.err)
		if b, ok := got.(*instance.BlockedError); !ok || b.Reason != tc.want || b.Class != instance.ClassPort {
			t.Errorf("got %#v; want %s", got, tc.want)
		}
	}
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true}, {"127.0.0.1:1", "127.0.0.1:2", false}, {"127.0.0.1:1", "127.0.0.2:1", false},
		{"0.0.0.0:1", "127.0.0.1:1", true}, {"[::]:1", "127.0.0.1:1", true}, {"[::1]:1", "127.0.0.1:1", false}, {"[::ffff:127.0.0.1]:1", "127.0.0.1:1", true},
	} {
		if got := overlap(netip.MustParseAddrPort(tc.a), netip.MustParseAddrPort(tc.b)); got != tc.want {
			t.Errorf("%s and %s: %v", tc.a, tc.b, got)
		}
	}
}
