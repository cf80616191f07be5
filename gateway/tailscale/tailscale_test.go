//go:build unix

package tailscale

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/tailscale/tailscaletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhois(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story tailscaletest.Story
		ip    string
		login string
		err   string // part of it
	}{
		{tailscaletest.Fine, "100.64.0.7", "Kim@example.com", ""},
		{tailscaletest.Fine, "100.64.0.8", "", "peer not found"},
		{tailscaletest.LoggedOut, "100.64.0.7", "", "Logged out. Log in at: https://login.tailscale.com/a/1234"},
		{tailscaletest.BadJSON, "100.64.0.7", "", "its answer is no JSON"},
	} {
		c := CLI{Program: tailscaletest.Program(t, tc.story)}
		login, err := c.Whois(t.Context(), netip.MustParseAddr(tc.ip))
		if login != tc.login || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s, %s: %q, %v", tc.story, tc.ip, login, err)
		}
	}
	slow, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := (CLI{Program: tailscaletest.Program(t, tailscaletest.Slow)}).Whois(slow, netip.MustParseAddr("100.64.0.7")); err == nil || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("slow: %v", err)
	}
	if _, err := (CLI{Program: "/no/such/tailscale"}).Whois(t.Context(), netip.IPv6Loopback()); !errors.Is(err, errNotInstalled) {
		t.Errorf("not installed: %v", err)
	}
}

// TestPublish plays the stories through: what the gateway says of itself, and what it
// had the program do.
func TestPublish(t *testing.T) {
	t.Parallel()
	const status = "serve status --json"
	for name, tc := range map[string]struct {
		story tailscaletest.Story
		plan  Plan
		keep  bool
		want  protocol.Tailscale // with a part of the Detail
		calls []string
	}{
		"serve": {tailscaletest.Fine, Plan{Mode: "serve", Port: 18789}, false, protocol.Tailscale{State: "published", URL: "https://box.tail1234.ts.net"},
			[]string{status, "serve --bg --yes 18789", status}},
		"funnel, taken back": {tailscaletest.Fine, Plan{Mode: "funnel", Port: 18789, ResetOnExit: true}, false, protocol.Tailscale{State: "published", URL: "https://box.tail1234.ts.net"},
			[]string{status, "funnel --bg --yes 18789", status, "funnel --https=443 off"}},
		"kept for the successor": {tailscaletest.Fine, Plan{Mode: "serve", Port: 18789, ResetOnExit: true}, true, protocol.Tailscale{State: "published", URL: "https://box.tail1234.ts.net"},
			[]string{status, "serve --bg --yes 18789", status}},
		"with TLS": {tailscaletest.Fine, Plan{Mode: "serve", Port: 18789, Encrypted: true}, false, protocol.Tailscale{State: "published", URL: "https://box.tail1234.ts.net"},
			[]string{status, "serve --bg --yes https+insecure://127.0.0.1:18789", status}},
		"logged out": {tailscaletest.LoggedOut, Plan{Mode: "serve", Port: 18789, ResetOnExit: true}, false, protocol.Tailscale{State: "failed", Detail: "Logged out."}, []string{status}},
		"bad JSON":   {tailscaletest.BadJSON, Plan{Mode: "serve", Port: 18789}, false, protocol.Tailscale{State: "failed", Detail: "its answer is no JSON"}, []string{status}},
		"no funnel": {tailscaletest.NoFunnel, Plan{Mode: "funnel", Port: 18789, ResetOnExit: true}, false, protocol.Tailscale{State: "failed", Detail: "https://tailscale.com/s/no-funnel"},
			[]string{status, "funnel --bg --yes 18789"}},
		"no right": {tailscaletest.NoRight, Plan{Mode: "serve", Port: 18789}, false, protocol.Tailscale{State: "failed", Detail: "sudo tailscale set --operator=$USER"},
			[]string{status, "serve --bg --yes 18789"}},
		"taken by another": {tailscaletest.Taken, Plan{Mode: "serve", Port: 18789, ResetOnExit: true}, false, protocol.Tailscale{State: "failed", Detail: "leads to http://127.0.0.1:3000 already"},
			[]string{status}},
		"its own already": {tailscaletest.Taken, Plan{Mode: "serve", Port: 3000}, false, protocol.Tailscale{State: "published", URL: "https://box.tail1234.ts.net"},
			[]string{status, "serve --bg --yes 3000", status}},
		"serve that is open to the internet": {tailscaletest.Funnelled, Plan{Mode: "serve", Port: 18789}, false, protocol.Tailscale{State: "failed", Detail: "open to the internet by an earlier funnel"},
			[]string{status, "serve --bg --yes 18789", status}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := CLI{Program: tailscaletest.Program(t, tc.story)}
			ctx, cancel := context.WithCancel(t.Context())
			var told []protocol.Tailscale
			c.Publish(ctx, tc.plan, func() bool { return tc.keep }, slog.New(slog.DiscardHandler), func(s protocol.Tailscale) {
				told = append(told, s)
				if s.State != protocol.TailscaleWaiting {
					cancel() // the gateway ends
				}
			})
			if len(told) != 2 || told[0] != (protocol.Tailscale{Mode: tc.plan.Mode, State: "publishing"}) {
				t.Fatalf("told %+v", told)
			}
			if got := told[1]; got.State != tc.want.State || got.URL != tc.want.URL || got.Mode != tc.plan.Mode || !strings.Contains(got.Detail, tc.want.Detail) {
				t.Errorf("told %+v", got)
			}
			if calls := tailscaletest.Calls(t, c.Program); !slices.Equal(calls, tc.calls) {
				t.Errorf("calls %q, want %q", calls, tc.calls)
			}
		})
	}
}

// TestPublishTriesAgain: a program that is not there yet is waited for, and what it
// says is told once.
func TestPublishTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var told []protocol.Tailscale
		began := time.Now()
		time.AfterFunc(time.Hour, cancel)
		(CLI{Program: "/no/such/tailscale"}).Publish(ctx, Plan{Mode: "serve", Port: 1, ResetOnExit: true}, func() bool { return false }, slog.New(slog.DiscardHandler), func(s protocol.Tailscale) { told = append(told, s) })
		if len(told) != 2 || told[1].Detail != errNotInstalled.Error() || time.Since(began) != time.Hour {
			t.Errorf("told %+v in %v", told, time.Since(began))
		}
	})
}

// TestWaitsForAnAdmin: the words of a program that waits for a person are told.
func TestWaitsForAnAdmin(t *testing.T) {
	t.Parallel()
	program := tailscaletest.Program(t, tailscaletest.AskAdmin)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for !slices.Contains(tailscaletest.Calls(t, program), "waiting") {
			time.Sleep(time.Millisecond)
		}
		cancel(context.DeadlineExceeded)
	}()
	_, err := (CLI{Program: program}).publish(ctx, "serve", 1, false)
	if err == nil || !strings.Contains(err.Error(), "no answer in time: Serve is not enabled on your tailnet. To enable, visit: https://login.tailscale.com/f/serve?node=n1") {
		t.Errorf("got %v", err)
	}
}

// FuzzStatus: whatever the program answers about what it serves, it is understood or refused.
func FuzzStatus(f *testing.F) {
	f.Add([]byte(`{"TCP":{"443":{"HTTPS":true}},"Web":{"box.tail1234.ts.net:443":{"Handlers":{"/":{"Proxy":"http://127.0.0.1:3000"}}}},"AllowFunnel":{"box.tail1234.ts.net:443":true}}`))
	f.Add([]byte(`{"Web":{"x":{"Handlers":null},":443":{"Handlers":{"/":{"Text":"t"}}}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p published
		if json.Unmarshal(raw, &p) != nil {
			return
		}
		if name, port, _ := p.root(); port < 0 {
			t.Errorf("%q, %d of %s", name, port, raw)
		}
	})
}
