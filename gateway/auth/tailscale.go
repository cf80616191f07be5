package auth

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Whois says which user of the tailnet an address belongs to. It must respect ctx.
type Whois func(ctx context.Context, ip netip.Addr) (login string, err error)

// How long Tailscale may take to answer, and for how long that answer counts.
const (
	whoisTimeout = 5 * time.Second
	whoisFresh   = time.Minute
	whoisFailed  = 5 * time.Second
)

// Bounds on what requests with invented addresses can make us do: questions at
// once, and answers kept.
const (
	maxWhoisAtOnce = 4
	maxWhoisKept   = 1000
)

// tailscale believes the identity headers of `tailscale serve` when Tailscale itself
// says the same of the address. It is safe for concurrent use.
type tailscale struct {
	whois Whois
	now   func() time.Time
	slots chan struct{}

	mu    sync.Mutex // guards what follows
	known map[netip.Addr]*answer
}

// answer is what Tailscale said of one address, or will have said once done is closed.
type answer struct {
	done  chan struct{}
	login string
	err   error
	until time.Time
}

func newTailscale(whois Whois, now func() time.Time) *tailscale {
	return &tailscale{whois: whois, now: now, slots: make(chan struct{}, maxWhoisAtOnce), known: map[netip.Addr]*answer{}}
}

// judge returns "" for a request whose user Tailscale vouches for, else why not. The
// error is that of asking Tailscale.
func (t *tailscale) judge(ctx context.Context, r *http.Request) (reason string, err error) {
	user, ok := only(r, "Tailscale-User-Login")
	if !ok {
		return ReasonTailscaleUserMismatch, nil
	}
	if user == "" {
		return ReasonTailscaleUserMissing, nil
	}
	// Only serve on this machine sets these; from elsewhere anybody could have.
	if remote := parseIP(r.RemoteAddr); !remote.IsLoopback() || r.Header.Get("X-Forwarded-For") == "" ||
		r.Header.Get("X-Forwarded-Proto") == "" || r.Header.Get("X-Forwarded-Host") == "" {
		return ReasonTailscaleProxyMissing, nil
	}
	// serve writes one address. What stands before another proxy's is the client's own words.
	ip := lastHop(r, parseIP(r.RemoteAddr), nil)
	if !ip.IsValid() {
		return ReasonTailscaleWhoisFailed, errors.New("X-Forwarded-For names no address")
	}
	login, err := t.ask(ctx, ip)
	switch {
	case err != nil:
		return ReasonTailscaleWhoisFailed, err
	case login == "" || !strings.EqualFold(login, user):
		return ReasonTailscaleUserMismatch, nil
	}
	return "", nil
}

// ask returns what is known of the address, asking Tailscale once however many want to know.
func (t *tailscale) ask(ctx context.Context, ip netip.Addr) (string, error) {
	t.mu.Lock()
	a := t.known[ip]
	if a == nil || a.stale(t.now()) {
		a = &answer{done: make(chan struct{})}
		t.forgetLocked()
		t.known[ip] = a
		t.mu.Unlock()
		t.fill(ctx, a, ip)
		return a.login, a.err
	}
	t.mu.Unlock()
	select {
	case <-a.done:
		return a.login, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// stale tells whether the answer is known and counts no longer.
func (a *answer) stale(now time.Time) bool {
	select {
	case <-a.done:
		return !now.Before(a.until)
	default:
		return false
	}
}

// fill asks Tailscale. Others wait for the answer, so that the client who asked
// first goes away does not end it.
func (t *tailscale) fill(ctx context.Context, a *answer, ip netip.Addr) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), whoisTimeout)
	defer cancel()
	select {
	case t.slots <- struct{}{}:
		a.login, a.err = t.whois(ctx, ip)
		<-t.slots
	case <-ctx.Done():
		a.err = errors.New("too many addresses are being asked for at once")
	}
	a.until = t.now().Add(whoisFresh)
	if a.err != nil {
		a.until = t.now().Add(whoisFailed)
	}
	close(a.done)
}

// forgetLocked makes room for one answer more. t.mu must be held.
func (t *tailscale) forgetLocked() {
	if len(t.known) < maxWhoisKept {
		return
	}
	now := t.now()
	for ip, a := range t.known {
		if a.stale(now) {
			delete(t.known, ip)
		}
	}
	for ip := range t.known { // all are fresh: any will do
		if len(t.known) < maxWhoisKept {
			return
		}
		delete(t.known, ip)
	}
}
