// Package config owns the configuration file of one gateway: its schema, how it is
// read (includes, variables, strict keys), what a person is told when it is wrong,
// the addresses and the credential that follow from it, and the first-time setup
// that writes it. Edits change only the bytes of the value that was asked for.
//
// It starts and listens to nothing. What a running gateway does with a change
// belongs to the gateway; which profiles exist belongs to package profiles.
package config

import (
	"encoding/json"
	"log/slog"
	"time"
)

// Config is the part of the file that this version acts on, with the defaults of
// the schema filled in. It is a value; copies share the slices and must not
// change them.
type Config struct {
	Gateway Gateway
	Agents  Agents
	Logging Logging

	Discovery Discovery
}

// Discovery is the block "discovery".
type Discovery struct {
	MDNS string // an MDNS… constant
}

// The values of discovery.mdns.mode.
const (
	MDNSOff     = "off"
	MDNSMinimal = "minimal" // says nothing that is not needed to connect
	MDNSFull    = "full"
)

// Gateway is the block "gateway".
type Gateway struct {
	Port           int    // 0 when the file does not say: the base port of the profile counts
	Mode           string // "local", "remote", or "" when the file does not say
	Bind           string // BindLoopback unless set
	CustomBindHost string
	Auth           Auth
	ControlUI      ControlUI
	TrustedProxies []string // addresses and CIDR ranges
	TLS            TLS
	Remote         Remote
	Nodes          Nodes
	Tailscale      Tailscale
}

// Tailscale is the block "gateway.tailscale".
type Tailscale struct {
	Mode        string // TailscaleOff, TailscaleServe or TailscaleFunnel
	ResetOnExit bool   // take it back when the gateway ends
}

// The values of gateway.tailscale.mode.
const (
	TailscaleOff    = "off"
	TailscaleServe  = "serve"  // in the tailnet
	TailscaleFunnel = "funnel" // to the internet
)

// Nodes is the block "gateway.nodes".
type Nodes struct {
	AllowCommands []string // that nodes may carry out besides the usual of their platform
	DenyCommands  []string // that no node may
}

// TLS is the block "gateway.tls".
type TLS struct {
	Enabled           bool
	AutoGenerate      bool   // make a certificate when there is none
	CertPath, KeyPath string // "" for the places of a made one; a leading ~ is expanded
}

// ControlUI is the block "gateway.controlUi".
type ControlUI struct {
	Enabled                      *bool // nil when the file does not say
	BasePath                     string
	Root                         string // directory of its files, "" for the built-in page
	AllowedOrigins               []string
	AllowInsecureAuth            bool
	DangerouslyDisableDeviceAuth bool
}

// Auth is the block "gateway.auth". Its text forms show whether a secret is set,
// never the secret.
type Auth struct {
	Mode      string // an Auth… constant, "" when the file does not say
	Token     string
	Password  string
	RateLimit *RateLimit // nil: failed attempts are not counted

	AllowTailscale *bool         // nil when the file does not say, see Gateway.TailscaleAllowed
	TrustedProxy   *TrustedProxy // nil when the file has no such block
}

// TrustedProxy is the block "gateway.auth.trustedProxy".
type TrustedProxy struct {
	UserHeader      string   // names the user that the proxy vouches for
	RequiredHeaders []string // must all be there, and not empty
	AllowUsers      []string // empty: every user
}

// TailscaleAllowed tells whether a user that Tailscale vouches for is let in by a
// gateway of that auth mode: what the file says, else only under serve and only beside a token.
func (g Gateway) TailscaleAllowed(mode string) bool {
	if g.Auth.AllowTailscale != nil {
		return *g.Auth.AllowTailscale
	}
	return g.Tailscale.Mode == TailscaleServe && mode != AuthPassword && mode != AuthTrustedProxy
}

// The values of gateway.auth.mode.
const (
	AuthToken    = "token"
	AuthPassword = "password"
	AuthNone     = "none" // never inferred, and only on loopback

	AuthTrustedProxy = "trusted-proxy" // a proxy says who the user is
)

// RateLimit is the block "gateway.auth.rateLimit", defaults of the schema filled in.
type RateLimit struct {
	MaxAttempts    int           // failures within Window that lead to a lockout
	Window         time.Duration // over which failures are counted
	Lockout        time.Duration // how long the address is refused then
	ExemptLoopback bool          // connections from this host are never locked out
}

// Remote is the block "gateway.remote": the gateway that commands on this machine
// talk to when it is not the local one. Its text forms hide the secrets.
type Remote struct {
	URL            string
	Token          string
	Password       string
	TLSFingerprint string // of the certificate to insist on, as written; "" for one that this machine trusts
	SSHTarget      string // user@host:port by which `gateway probe` gets there, "" for none
	SSHIdentity    string // file of the key for it, "" for those that ssh would show
}

// Agents is the block "agents".
type Agents struct{ Defaults AgentDefaults }

// AgentDefaults is the block "agents.defaults".
type AgentDefaults struct {
	Workspace     string // "" when the file does not say; a leading ~ is expanded
	SkipBootstrap bool   // make no first files in the workspace
	Heartbeat     Heartbeat
}

// Heartbeat is the block "agents.defaults.heartbeat".
type Heartbeat struct {
	Every       string        // as written
	Pause       time.Duration // what Every means; 0: never
	Target      string        // last, none or a channel
	Prompt      string        // "" when the file does not say
	AckMaxChars int           // longest answer that counts as nothing to report
}

// Logging is the block "logging".
type Logging struct {
	Level        string // of the log file: silent, fatal, error, warn, info, debug or trace
	ConsoleLevel string // of the console, same words
}

// hidden is what stands in text forms for a secret that is set.
func hidden(secret string) string {
	if secret == "" {
		return ""
	}
	return Sentinel
}

func (a Auth) String() string {
	return "{mode:" + a.Mode + " token:" + hidden(a.Token) + " password:" + hidden(a.Password) + "}"
}

// GoString keeps %#v from printing the secrets.
func (a Auth) GoString() string { return "config.Auth" + a.String() }

// LogValue keeps the secrets out of logs.
func (a Auth) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MarshalJSON keeps the secrets out of JSON logs and dumps.
func (a Auth) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"mode": a.Mode, "token": hidden(a.Token), "password": hidden(a.Password)})
}

func (r Remote) String() string {
	return "{url:" + r.URL + " token:" + hidden(r.Token) + " password:" + hidden(r.Password) + "}"
}

// GoString keeps %#v from printing the secrets.
func (r Remote) GoString() string { return "config.Remote" + r.String() }

// LogValue keeps the secrets out of logs.
func (r Remote) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalJSON keeps the secrets out of JSON logs and dumps.
func (r Remote) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"url": r.URL, "token": hidden(r.Token), "password": hidden(r.Password)})
}
