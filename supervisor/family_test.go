//go:build unix

package supervisor

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"testing"
)

// TestLanIsNotEverything: every IPv4 interface does not mean the IPv6 ones.
func TestLanIsNotEverything(t *testing.T) {
	t.Parallel()
	port := freePorts(t, 1)[0]
	f, err := listen(t.Context(), netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := new(net.Dialer).DialContext(context.WithoutCancel(t.Context()), "tcp", net.JoinHostPort("::1", strconv.Itoa(port)))
	if err == nil {
		c.Close()
		t.Error("0.0.0.0 answers on ::1")
	}
}
