package main

import (
	"fmt"

	"github.com/coderclaw/coderclaw/gateway/discovery"
)

// printProbe prints the report for people. What gateways say of themselves is
// stripped of what would move the cursor.
func (a *app) printProbe(r probeReport) {
	say := func(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }
	say("Gateway Status\nReachable: %s\nProbe budget: %dms", yesNo(r.OK), r.TimeoutMs)
	for _, w := range r.Warnings {
		say("Warning: %s", discovery.Printable(oneLine(w.Message)))
	}
	say("\nDiscovery (this machine)")
	say("Found %s via Bonjour (%s)", gatewayCount(r.Discovery.Count), discovery.Domain)
	for _, b := range r.Discovery.Beacons {
		say("- %s  %s", firstOf(b.DisplayName, b.InstanceName, "(no name)"), b.URL)
	}
	say("\nTargets")
	for i, t := range r.Targets {
		if i > 0 {
			say("")
		}
		say("%s %s", targetLabel(t), t.URL)
		if t.Tunnel != nil {
			say("  ssh: %s", t.Tunnel.Target)
		}
		switch {
		case !t.Connect.OK:
			say("  Connect: failed - %s", discovery.Printable(oneLine(t.RPC.Error)))
		case t.RPC.OK:
			say("  Connect: ok (%dms) · RPC: ok", *t.Connect.LatencyMs)
		default:
			say("  Connect: ok (%dms) · RPC: failed - %s", *t.Connect.LatencyMs, discovery.Printable(oneLine(t.RPC.Error)))
		}
		if s := t.Self; s != nil {
			say("  Gateway: %s", discovery.Printable(fmt.Sprintf("%s (%s) · %s · app %s", firstOf(s.Host, unknown), firstOf(s.IP, unknown), firstOf(s.Platform, unknown), firstOf(s.Version, unknown))))
		}
		if t.Health != nil && t.Health.Coderclaw != nil {
			say("  Profile: %s", discovery.Printable(firstOf(t.Health.Coderclaw.Profile, "(none)")))
		}
		if t.Config != nil {
			wide := unknown
			if on, ok := t.Config.Discovery.WideAreaEnabled.(bool); ok {
				wide = map[bool]string{true: "enabled", false: "disabled"}[on]
			}
			say("  Wide-area discovery: %s", wide)
		}
	}
}

func targetLabel(t probeResult) string {
	switch t.Kind {
	case kindLocal:
		return "Local loopback"
	case kindSSH:
		return "Remote over SSH"
	case kindRemote:
		if !t.Active {
			return "Remote (configured, inactive)"
		}
		return "Remote (configured)"
	}
	return "URL (explicit)"
}
