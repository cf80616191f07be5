package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// strangerPatience is how long a status waits for a listener that is not the gateway
// itself to say who it is: the budget that a probe has for this machine.
const strangerPatience = 800 * time.Millisecond

// notAsked says why a status does not connect, "" when it does: what the supervisor
// says of a gateway that does not run needs no waiting for an answer of somebody else.
func (s gatewayStatus) notAsked() string {
	i := s.Coderclaw.Instance
	if i == nil || i.PID != 0 || s.Port.Status != "busy" || s.Coderclaw.OwnsPort == yes {
		return ""
	}
	switch i.State {
	case instance.Stopped, instance.Blocked, instance.Quarantined:
		return fmt.Sprintf("not asked: the gateway is %s: %s", i.State, firstOf(i.Reason, "no reason given"))
	}
	return ""
}

// probe connects as a client would.
func (a *app) probe(ctx context.Context, t target, deep bool, own *ownStatus) *rpcStatus {
	res := &rpcStatus{URL: t.shown()}
	var health protocol.HealthSummary
	if err := a.call(ctx, t, "probe", "health", protocol.HealthParams{Probe: deep}, &health); err != nil {
		res.Error = err.Error()
		if refused(err) {
			own.Authenticated = no
		}
		return res
	}
	res.OK = true
	own.Authenticated = yes
	if deep {
		own.Health = &health
	}
	who := health.Coderclaw
	switch {
	case !t.local():
	case who == nil || who.Profile != t.profile.Name:
		res.OK = false
		res.Error = "another gateway answers there: " + identityWords(who)
		own.OwnsPort, own.Ready = no, no
	default:
		own.Tailscale = who.Tailscale
		if own.Alive == unknown {
			_, err := proctable.StartTime(who.PID)
			own.Alive = yesNo(err == nil)
		}
		if own.Ready == unknown { // that it answers does not say that it wants clients
			own.Ready = a.readyFact(ctx, t)
		}
	}
	return res
}

// readyFact asks /readyz.
func (a *app) readyFact(ctx context.Context, t target) string {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	return yesNo(serves(ctx, "http"+strings.TrimPrefix(t.url, "ws")+"/readyz", t.fingerprint) == nil)
}

// identityWords say which gateway answered.
func identityWords(who *protocol.Identity) string {
	if who == nil {
		return "one that does not say whose it is"
	}
	return fmt.Sprintf("that of profile %s, pid %d", firstOf(who.Profile, "(none)"), who.PID)
}
