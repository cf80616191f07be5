package main

import (
	"fmt"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/discovery"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// probeConfig is what a gateway's config says of how to reach it, without secrets.
type probeConfig struct {
	Path         string                 `json:"path"`
	Exists       bool                   `json:"exists"`
	Valid        bool                   `json:"valid"`
	Issues       []protocol.ConfigIssue `json:"issues"`
	LegacyIssues []protocol.ConfigIssue `json:"legacyIssues"`
	Gateway      probeConfigGateway     `json:"gateway"`
	Discovery    probeConfigDiscovery   `json:"discovery"`
}

type probeConfigGateway struct {
	Mode                     any  `json:"mode"`
	Bind                     any  `json:"bind"`
	Port                     any  `json:"port"`
	ControlUIEnabled         any  `json:"controlUiEnabled"`
	ControlUIBasePath        any  `json:"controlUiBasePath"`
	AuthMode                 any  `json:"authMode"`
	AuthTokenConfigured      bool `json:"authTokenConfigured"`
	AuthPasswordConfigured   bool `json:"authPasswordConfigured"`
	RemoteURL                any  `json:"remoteUrl"`
	RemoteTokenConfigured    bool `json:"remoteTokenConfigured"`
	RemotePasswordConfigured bool `json:"remotePasswordConfigured"`
	TailscaleMode            any  `json:"tailscaleMode"`
}

type probeConfigDiscovery struct {
	WideAreaEnabled any `json:"wideAreaEnabled"`
}

// summarise picks from the result of config.get; a key that is not set is null.
func summarise(s protocol.ConfigSnapshot) *probeConfig {
	at := func(path string) any {
		v := s.Config
		for key := range strings.SplitSeq(path, ".") {
			m, ok := v.(map[string]any)
			if !ok {
				return nil
			}
			v = m[key]
		}
		return v
	}
	set := func(path string) bool { text, ok := at(path).(string); return ok && text != "" }
	return &probeConfig{
		Path: s.Path, Exists: s.Exists, Valid: s.Valid, Issues: s.Issues, LegacyIssues: s.LegacyIssues,
		Gateway: probeConfigGateway{
			Mode: at("gateway.mode"), Bind: at("gateway.bind"), Port: at("gateway.port"),
			ControlUIEnabled: at("gateway.controlUi.enabled"), ControlUIBasePath: at("gateway.controlUi.basePath"), AuthMode: at("gateway.auth.mode"),
			AuthTokenConfigured: set("gateway.auth.token"), AuthPasswordConfigured: set("gateway.auth.password"),
			RemoteURL: at("gateway.remote.url"), RemoteTokenConfigured: set("gateway.remote.token"), RemotePasswordConfigured: set("gateway.remote.password"),
			TailscaleMode: at("gateway.tailscale.mode"),
		},
		Discovery: probeConfigDiscovery{WideAreaEnabled: at("discovery.wideArea.enabled")},
	}
}

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
