package config

import (
	"time"

	"github.com/coderclaw/coderclaw/internal/json5"
)

// defaultLevel is the severity from which lines are logged (spec/config §6).
const defaultLevel = "info"

// decode reads what this version acts on. A value of the wrong type counts as
// absent; validate has made a problem of it. root may be nil.
func decode(root *node) Config {
	gw := reader{root.get("gateway")}
	auth, ui, remote, tls, nodes := gw.at("auth"), gw.at("controlUi"), gw.at("remote"), gw.at("tls"), gw.at("nodes")
	proxy, tailscale := auth.at("trustedProxy"), gw.at("tailscale")
	log, agent := reader{root.get("logging")}, reader{root.get("agents", "defaults")}
	return Config{
		Gateway: Gateway{
			Port:           gw.int("port", 0),
			Mode:           gw.text("mode", ""),
			Bind:           gw.text("bind", BindLoopback),
			CustomBindHost: gw.text("customBindHost", ""),
			Auth: Auth{
				Mode:      auth.text("mode", ""),
				Token:     auth.text("token", ""),
				Password:  auth.text("password", ""),
				RateLimit: auth.rateLimit("rateLimit"),

				AllowTailscale: auth.boolPtr("allowTailscale"),
				TrustedProxy:   proxy.trustedProxy(),
			},
			ControlUI: ControlUI{
				Enabled:                      ui.boolPtr("enabled"),
				BasePath:                     ui.text("basePath", ""),
				Root:                         ui.text("root", ""),
				AllowedOrigins:               ui.texts("allowedOrigins"),
				AllowInsecureAuth:            ui.bool("allowInsecureAuth", false),
				DangerouslyDisableDeviceAuth: ui.bool("dangerouslyDisableDeviceAuth", false),
			},
			TrustedProxies: gw.texts("trustedProxies"),
			TLS: TLS{
				Enabled:      tls.bool("enabled", false),
				AutoGenerate: tls.bool("autoGenerate", true),
				CertPath:     tls.text("certPath", ""),
				KeyPath:      tls.text("keyPath", ""),
			},
			Remote: Remote{
				URL:      remote.text("url", ""),
				Token:    remote.text("token", ""),
				Password: remote.text("password", ""),

				TLSFingerprint: remote.text("tlsFingerprint", ""),
				SSHTarget:      remote.text("sshTarget", ""),
				SSHIdentity:    remote.text("sshIdentity", ""),
			},
			Tailscale: Tailscale{Mode: tailscale.text("mode", TailscaleOff), ResetOnExit: tailscale.bool("resetOnExit", false)},

			Nodes: Nodes{AllowCommands: nodes.texts("allowCommands"), DenyCommands: nodes.texts("denyCommands")},
		},
		Agents: Agents{Defaults: AgentDefaults{
			Workspace:     agent.text("workspace", ""),
			SkipBootstrap: agent.bool("skipBootstrap", false),
			Heartbeat:     agent.at("heartbeat").heartbeat(),
		}},
		Logging: Logging{
			Level:        log.text("level", defaultLevel),
			ConsoleLevel: log.text("consoleLevel", defaultLevel),
		},
		Discovery: Discovery{MDNS: reader{root.get("discovery", "mdns")}.text("mode", MDNSOff)},
	}
}

// reader takes typed values out of an object, which may be nil.
type reader struct{ n *node }

func (r reader) at(key string) reader { return reader{r.n.get(key)} }

func (r reader) text(key, def string) string {
	if n := r.n.get(key); n != nil && n.kind == json5.String {
		return n.text
	}
	return def
}

func (r reader) int(key string, def int) int {
	if n := r.n.get(key); n != nil && accepts(isInt, n) && n.kind == json5.Number {
		return int(n.num)
	}
	return def
}

func (r reader) boolPtr(key string) *bool {
	if n := r.n.get(key); n != nil && n.kind == json5.Bool {
		b := n.b
		return &b
	}
	return nil
}

func (r reader) bool(key string, def bool) bool {
	if b := r.boolPtr(key); b != nil {
		return *b
	}
	return def
}

func (r reader) texts(key string) []string {
	n := r.n.get(key)
	if n == nil || n.kind != json5.Array {
		return nil
	}
	var out []string
	for _, item := range n.items {
		if item.kind == json5.String {
			out = append(out, item.text)
		}
	}
	return out
}

// trustedProxy is nil when the block is absent.
func (r reader) trustedProxy() *TrustedProxy {
	if r.n == nil || r.n.kind != json5.Object {
		return nil
	}
	return &TrustedProxy{UserHeader: r.text("userHeader", ""), RequiredHeaders: r.texts("requiredHeaders"), AllowUsers: r.texts("allowUsers")}
}

// rateLimit is nil when the block is absent: then failures are not counted.
func (r reader) rateLimit(key string) *RateLimit {
	n := r.n.get(key)
	if n == nil || n.kind != json5.Object {
		return nil
	}
	l := reader{n}
	return &RateLimit{
		MaxAttempts:    l.int("maxAttempts", 10),
		Window:         time.Duration(l.int("windowMs", 60_000)) * time.Millisecond,
		Lockout:        time.Duration(l.int("lockoutMs", 300_000)) * time.Millisecond,
		ExemptLoopback: l.bool("exemptLoopback", true),
	}
}

func (r reader) heartbeat() Heartbeat {
	h := Heartbeat{Every: r.text("every", "30m"), Target: r.text("target", "last"), Prompt: r.text("prompt", ""), AckMaxChars: r.int("ackMaxChars", 300)}
	h.Pause, _ = parsePause(h.Every) // validate has made a problem of what is none
	return h
}
