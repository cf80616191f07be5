package auth

import (
	"net/netip"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/gateway/config"
)

// Limiter locks out an address that fails too often. The zero address stands for one
// that is not known. A nil Limiter limits nothing. It is safe for concurrent use.
type Limiter struct {
	rule config.RateLimit
	now  func() time.Time

	mu     sync.Mutex // guards what follows
	seen   map[limitKey]*attempts
	pruned time.Time
}

// The kinds of secret, which are counted apart.
const (
	KindShared = "shared-secret"
	KindDevice = "device-token"
)

type limitKey struct {
	kind string
	ip   netip.Addr
}

type attempts struct {
	failures []time.Time // inside the window, oldest first; fewer than MaxAttempts
	locked   time.Time   // until then
}

// NewLimiter returns the limiter of the rule; nil for a nil rule.
func NewLimiter(rule *config.RateLimit, now func() time.Time) *Limiter {
	if rule == nil {
		return nil
	}
	return &Limiter{rule: *rule, now: now, seen: map[limitKey]*attempts{}}
}

func (l *Limiter) exempt(ip netip.Addr) bool {
	return l == nil || l.rule.ExemptLoopback && ip.IsLoopback()
}

// Locked tells whether the address has to wait.
func (l *Limiter) Locked(kind string, ip netip.Addr) bool {
	if l.exempt(ip) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.seen[limitKey{kind, ip}]
	return a != nil && l.now().Before(a.locked)
}

// Failed counts one failure.
func (l *Limiter) Failed(kind string, ip netip.Addr) {
	if l.exempt(ip) {
		return
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pruneLocked(now)
	key := limitKey{kind, ip}
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

// Succeeded forgets the failures of the address.
func (l *Limiter) Succeeded(kind string, ip netip.Addr) {
	if l.exempt(ip) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, limitKey{kind, ip})
}

// pruneEvery is how often addresses are looked through for those that no longer count.
const pruneEvery = time.Minute

// pruneLocked drops, once in pruneEvery, addresses that no longer count. l.mu must be held.
func (l *Limiter) pruneLocked(now time.Time) {
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
