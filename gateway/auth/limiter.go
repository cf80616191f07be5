package auth

import (
	"net/netip"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/gateway/config"
)

// limiter locks out an address that fails too often, an IPv6 address with its /64. The
// zero address stands for one that is not known. A nil limiter limits
// nothing. It is safe for concurrent use.
type limiter struct {
	rule config.RateLimit
	now  func() time.Time

	mu     sync.Mutex // guards what follows
	seen   map[limitKey]*attempts
	pruned time.Time
}

// The kinds of secret, which are counted apart.
const (
	kindShared = "shared-secret"
	kindDevice = "device-token"
)

type limitKey struct {
	kind string
	from netip.Prefix
}

// siteBits is how much of an IPv6 address names whom it was given to; who has one has
// all that begin so.
const siteBits = 64

// keyOf is what the failures of an address are counted under.
func keyOf(kind string, ip netip.Addr) limitKey {
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() && !ip.IsLoopback() {
		bits = siteBits
	}
	from, _ := ip.Prefix(bits) // of the zero address the zero prefix
	return limitKey{kind, from}
}

type attempts struct {
	failures []time.Time // inside the window, oldest first; fewer than MaxAttempts
	locked   time.Time   // until then
}

// newLimiter returns the limiter of the rule; nil for a nil rule.
func newLimiter(rule *config.RateLimit, now func() time.Time) *limiter {
	if rule == nil {
		return nil
	}
	return &limiter{rule: *rule, now: now, seen: map[limitKey]*attempts{}}
}

func (l *limiter) exempt(ip netip.Addr) bool {
	return l == nil || l.rule.ExemptLoopback && ip.IsLoopback()
}

// locked tells whether the address has to wait.
func (l *limiter) locked(kind string, ip netip.Addr) bool {
	if l.exempt(ip) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.seen[keyOf(kind, ip)]
	return a != nil && l.now().Before(a.locked)
}

// failed counts one failure.
func (l *limiter) failed(kind string, ip netip.Addr) {
	if l.exempt(ip) {
		return
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pruneLocked(now)
	key := keyOf(kind, ip)
	a := l.seen[key]
	if a == nil {
		a = &attempts{}
		l.seen[key] = a
	}
	a.failures = append(recent(a.failures, now.Add(-l.rule.Window)), now)
	if len(a.failures) >= l.rule.MaxAttempts {
		a.locked, a.failures = now.Add(l.rule.Lockout), nil
	}
}

// succeeded forgets the failures of the address.
func (l *limiter) succeeded(kind string, ip netip.Addr) {
	if l.exempt(ip) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, keyOf(kind, ip))
}

// pruneEvery is how often addresses are looked through for those that no longer count.
const pruneEvery = time.Minute

// pruneLocked drops, once in pruneEvery, addresses that no longer count. l.mu must be held.
func (l *limiter) pruneLocked(now time.Time) {
	if now.Sub(l.pruned) < pruneEvery {
		return
	}
	l.pruned = now
	for key, a := range l.seen {
		a.failures = recent(a.failures, now.Add(-l.rule.Window))
		if len(a.failures) == 0 && !now.Before(a.locked) {
			delete(l.seen, key)
		}
	}
}

func recent(times []time.Time, since time.Time) []time.Time {
	for len(times) > 0 && times[0].Before(since) {
		times = times[1:]
	}
	return times
}
