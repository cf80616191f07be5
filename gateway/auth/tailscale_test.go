package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/config"
)

// served is a request as `tailscale serve` hands it on.
func served(user, from string, more ...string) *http.Request {
	return request("127.0.0.1:5", "box.tail1.ts.net", append([]string{"Tailscale-User-Login", user, "X-Forwarded-For", from,
		"X-Forwarded-Proto", "https", "X-Forwarded-Host", "box.tail1.ts.net"}, more...)...)
}

func TestTailscaleUser(t *testing.T) {
	t.Parallel()
	whois := func(_ context.Context, ip netip.Addr) (string, error) {
		switch ip.String() {
		case "100.64.0.7":
			return "Kim@Example.com", nil
		case "100.64.0.9":
			return "", nil
		}
		return "", errors.New("peer not found")
	}
	without := func(header string) *http.Request {
		r := served("kim@example.com", "100.64.0.7")
		r.Header.Del(header)
		return r
	}
	remote := served("kim@example.com", "100.64.0.7")
	remote.RemoteAddr = "198.51.100.7:5"
	for name, tc := range map[string]struct {
		r     *http.Request
		token string
		want  auth.Verdict
	}{
		"that user":               {served("kim@example.com", "100.64.0.7"), "", auth.Verdict{OK: true}},
		"wrong token as well":     {served("kim@example.com", "100.64.0.7"), "x", auth.Verdict{OK: true}},
		"right token as well":     {served("kim@example.com", "100.64.0.7"), "t", auth.Verdict{OK: true, Shared: true}},
		"another user":            {served("sam@example.com", "100.64.0.7"), "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
		"a machine without user":  {served("kim@example.com", "100.64.0.9"), "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
		"unknown machine":         {served("kim@example.com", "100.64.0.8"), "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
		"no address":              {served("kim@example.com", "phone"), "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
		"no user":                 {without("Tailscale-User-Login"), "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
		"no X-Forwarded-For":      {without("X-Forwarded-For"), "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
		"no X-Forwarded-Proto":    {without("X-Forwarded-Proto"), "x", auth.Verdict{Reason: auth.ReasonTokenMismatch}},
		"no X-Forwarded-Host":     {without("X-Forwarded-Host"), "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
		"through another proxy":   {served("kim@example.com", "100.64.0.7, 198.51.100.7"), "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
		"and a line of its own":   {served("kim@example.com", "100.64.0.7", "X-Forwarded-For", "198.51.100.7"), "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
		"through one after serve": {served("kim@example.com", "100.64.0.7, 127.0.0.1"), "", auth.Verdict{OK: true}},
		"two users":               {served("kim@example.com", "100.64.0.7", "Tailscale-User-Login", "sam@example.com"), "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
		"not from this machine":   {remote, "", auth.Verdict{Reason: auth.ReasonTokenMissing}},
	} {
		g := auth.NewGate(auth.Settings{Mode: "token", Token: "t", AllowTailscale: true}, auth.Rotations{}, whois, time.Now, slog.New(slog.DiscardHandler))
		if got := g.Judge(t.Context(), auth.Claim{Request: tc.r, Peer: auth.PeerOf(tc.r, nil), Token: tc.token}); got != tc.want {
			t.Errorf("%s: got %+v", name, got)
		}
		off := auth.NewGate(auth.Settings{Mode: "token", Token: "t"}, auth.Rotations{}, whois, time.Now, slog.New(slog.DiscardHandler))
		if got := off.Judge(t.Context(), auth.Claim{Request: tc.r, Peer: auth.PeerOf(tc.r, nil), Token: tc.token}); got.OK != (tc.token == "t") {
			t.Errorf("%s, where it is not allowed: got %+v", name, got)
		}
	}
}

// TestTailscaleIsAskedOnce: many who come at once from one address are one question;
// an answer counts for a minute, a failure for 5 seconds, and no answer is waited
// for longer than 5 seconds.
func TestTailscaleIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var fails atomic.Bool
		whois := func(ctx context.Context, _ netip.Addr) (string, error) {
			asked.Add(1)
			if fails.Load() {
				<-ctx.Done()
				return "", ctx.Err()
			}
			time.Sleep(time.Second)
			return "kim@example.com", nil
		}
		g := auth.NewGate(auth.Settings{Mode: "token", Token: "t", AllowTailscale: true}, auth.Rotations{}, whois, time.Now, slog.New(slog.DiscardHandler))
		judge := func(n int) (ok int) {
			var all sync.WaitGroup
			var count atomic.Int32
			for range n {
				all.Go(func() {
					r := served("kim@example.com", "100.64.0.7")
					if g.Judge(t.Context(), auth.Claim{Request: r, Peer: auth.PeerOf(r, nil)}).OK {
						count.Add(1)
					}
				})
			}
			all.Wait()
			return int(count.Load())
		}
		expect := func(what string, ok, wantOK, calls int) {
			t.Helper()
			if ok != wantOK || int(asked.Load()) != calls {
				t.Errorf("%s: %d let in, %d questions; want %d, %d", what, ok, asked.Load(), wantOK, calls)
			}
		}
		expect("at once", judge(20), 20, 1)
		time.Sleep(59 * time.Second)
		expect("within a minute", judge(1), 1, 1)
		time.Sleep(2 * time.Second)
		fails.Store(true)
		began := time.Now()
		expect("after a minute, slow", judge(20), 0, 2)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("waited %v for no answer", took)
		}
		expect("right after a failure", judge(1), 0, 2)
		time.Sleep(5 * time.Second)
		fails.Store(false)
		expect("5 seconds after a failure", judge(1), 1, 3)
	})
}

// TestLimiterBehindProxies: a client that a proxy on this machine hands on, such as
// one of `tailscale funnel`, is counted by its own address and not exempt as this machine is.
func TestLimiterBehindProxies(t *testing.T) {
	t.Parallel()
	rule := &config.RateLimit{MaxAttempts: 2, Window: time.Minute, Lockout: time.Minute, ExemptLoopback: true}
	s := auth.Settings{Mode: "password", Password: "p", RateLimit: rule, TrustedProxies: []string{"10.0.0.0/8"}}
	g := auth.NewGate(s, auth.Rotations{}, nil, time.Now, slog.New(slog.DiscardHandler))
	judge := func(r *http.Request, password string) string {
		return g.Judge(t.Context(), auth.Claim{Request: r, Peer: auth.PeerOf(r, s.TrustedProxies), Password: password}).Reason
	}
	funnel := func(from string) *http.Request {
		return request("127.0.0.1:5", "box.tail1.ts.net", "X-Forwarded-For", from)
	}
	proxied := func(from string) *http.Request {
		return request("10.0.0.5:5", "gw", "X-Forwarded-For", from)
	}
	for name, tc := range map[string]struct{ guess, other *http.Request }{
		"through funnel":               {funnel("198.51.100.7"), funnel("198.51.100.8")},
		"through a trusted proxy":      {proxied("198.51.100.17"), proxied("198.51.100.18")},
		"with an invented origin":      {proxied("127.0.0.1, 198.51.100.27"), proxied("198.51.100.28")},
		"through a proxy with no name": {proxied("unknown"), proxied("198.51.100.38")},
	} {
		for i, want := range []string{auth.ReasonPasswordMismatch, auth.ReasonPasswordMismatch, auth.ReasonRateLimited} {
			if got := judge(tc.guess, "x"); got != want {
				t.Errorf("%s, guess %d: %s", name, i, got)
			}
		}
		if got := judge(tc.guess, "p"); got != auth.ReasonRateLimited {
			t.Errorf("%s: locked out, and the right secret gives %q", name, got)
		}
		if got := judge(tc.other, "p"); got != "" {
			t.Errorf("%s: another address: %s", name, got)
		}
	}
	for range 5 {
		if got := judge(request("127.0.0.1:5", "localhost"), "x"); got != auth.ReasonPasswordMismatch {
			t.Errorf("this machine: %s", got)
		}
	}
}
