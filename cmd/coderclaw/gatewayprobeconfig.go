package main

import (
	"strings"

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
