package auth

import (
	"net/netip"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/config"
)

// TestLimiterForgets: addresses that no longer count go within a minute, whatever
// the window; those that are locked out stay. An address that nobody knows is one like others.
func TestLimiterForgets(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	l := newLimiter(&config.RateLimit{MaxAttempts: 2, Window: 10 * time.Second, Lockout: time.Hour}, func() time.Time { return now })
	var at netip.Addr
	for i := range 1000 {
		at = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, byte(i >> 8), byte(i), 15: 1})
		l.failed(kindShared, at)
	}
	unknown, loopback := netip.Addr{}, netip.IPv6Loopback()
	for range 2 {
		l.failed(kindDevice, unknown)
		l.failed(kindShared, loopback) // which is not exempt here
	}
	now = now.Add(time.Minute)
	l.failed(kindShared, at)
	if len(l.seen) != 3 {
		t.Errorf("%d addresses are kept", len(l.seen))
	}
	if !l.locked(kindDevice, unknown) || l.locked(kindShared, unknown) || !l.locked(kindShared, loopback) || l.locked(kindShared, at) {
		t.Error("the wrong ones are locked out")
	}
	l.succeeded(kindShared, at)
	if len(l.seen) != 2 {
		t.Errorf("%d addresses are kept after a success", len(l.seen))
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	l := newLimiter(&config.RateLimit{MaxAttempts: 3, Window: time.Minute, Lockout: 5 * time.Minute, ExemptLoopback: true}, func() time.Time { return now })
	ip, lo := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("127.0.0.1")
	for range 3 {
		if l.locked(kindShared, ip) {
			t.Error("locked too early")
		}
		l.failed(kindShared, ip)
		l.failed(kindShared, lo)
	}
	if !l.locked(kindShared, ip) || l.locked(kindDevice, ip) || l.locked(kindShared, lo) {
		t.Error("the wrong ones are locked")
	}
	now = now.Add(5 * time.Minute)
	if l.locked(kindShared, ip) {
		t.Error("the lock does not end")
	}
	l.failed(kindShared, ip)
	l.failed(kindShared, ip)
	now = now.Add(2 * time.Minute)
	l.failed(kindShared, ip)
	if l.locked(kindShared, ip) {
		t.Error("failures outside the window count")
	}
	var none *limiter
	none.failed(kindShared, ip)
	if none.locked(kindShared, ip) {
		t.Error("no limiter locks")
	}
}

// TestLimiterCountsSites: who has one IPv6 address has more than can be locked out one by
// one, and so do the ways to write an IPv4 address not make it several.
func TestLimiterCountsSites(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		fails []string
		at    string
		want  bool
	}{
		{[]string{"2001:db8::1", "2001:db8::ffff:2"}, "2001:db8::3", true},
		{[]string{"2001:db8::1", "2001:db8::2"}, "2001:db8:0:1::1", false},
		{[]string{"fe80::1%eth0", "fe80::2%eth1"}, "fe80::3", true},
		{[]string{"::ffff:192.0.2.1", "192.0.2.1"}, "192.0.2.1", true},
		{[]string{"192.0.2.1", "192.0.2.2"}, "192.0.2.1", false},
		{[]string{"::1", "::1"}, "::2", false},
	} {
		l := newLimiter(&config.RateLimit{MaxAttempts: 2, Window: time.Hour, Lockout: time.Hour}, time.Now)
		for _, ip := range tc.fails {
			l.failed(kindShared, netip.MustParseAddr(ip))
		}
		if got := l.locked(kindShared, netip.MustParseAddr(tc.at)); got != tc.want {
			t.Errorf("after failures of %v %s is locked out: %v", tc.fails, tc.at, got)
		}
	}
}
