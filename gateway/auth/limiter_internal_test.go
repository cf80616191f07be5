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
	l := NewLimiter(&config.RateLimit{MaxAttempts: 2, Window: 10 * time.Second, Lockout: time.Hour}, func() time.Time { return now })
	at := netip.MustParseAddr("2001:db8::")
	for range 1000 {
		at = at.Next()
		l.Failed(KindShared, at)
	}
	unknown, loopback := netip.Addr{}, netip.IPv6Loopback()
	for range 2 {
		l.Failed(KindDevice, unknown)
		l.Failed(KindShared, loopback) // which is not exempt here
	}
	now = now.Add(time.Minute)
	l.Failed(KindShared, at)
	if len(l.seen) != 3 {
		t.Errorf("%d addresses are kept", len(l.seen))
	}
	if !l.Locked(KindDevice, unknown) || l.Locked(KindShared, unknown) || !l.Locked(KindShared, loopback) || l.Locked(KindShared, at) {
		t.Error("the wrong ones are locked out")
	}
	l.Succeeded(KindShared, at)
	if len(l.seen) != 2 {
		t.Errorf("%d addresses are kept after a success", len(l.seen))
	}
}
