package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor"
)

// target is the gateway that a client verb talks to, and how it was found.
type target struct {
	profile         profiles.Profile
	config          *config.Snapshot // of the profile; what it says may be invalid
	url, source     string
	token, password string
	tokenFrom       string // where the token of a local target comes from, for people
	fingerprint     string // of the certificate to insist on, "" for one that this machine trusts
	timeout         time.Duration
	through         func(context.Context) (net.Conn, error) // what the URL is reached through, nil for the network
}

// local tells whether the target is the gateway of the profile on this machine.
func (t target) local() bool { return strings.HasPrefix(t.source, "local ") }

// shown is the URL for people and reports: a password in it is not.
func (t target) shown() string {
	if u, err := url.Parse(t.url); err == nil {
		return u.Redacted()
	}
	return t.url
}

// clientFlags are the options of every verb that talks to a gateway. Below
// `gateway`, --token and --password are inherited instead.
func clientFlags(below bool) []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "url", Usage: "talk to the gateway at `URL`, with the given credentials only"},
		&cli.StringFlag{Name: "tls-fingerprint", Usage: "with --url: insist on the certificate with this `SHA256`"},
		&cli.StringFlag{Name: "timeout", Usage: "give up after `MS` milliseconds", Value: "10000"},
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
	}
	if !below {
		flags = append(flags,
			&cli.StringFlag{Name: "token", Usage: "the gateway's `TOKEN`"},
			&cli.StringFlag{Name: "password", Usage: "the gateway's `PASSWORD`"})
	}
	return flags
}

// maxTimeout is the longest --timeout: longer than anybody waits, and far from what a
// time.Duration cannot hold when something is added to it.
const maxTimeout = 365 * 24 * time.Hour

// timeoutOf reads --timeout, whole milliseconds.
func timeoutOf(c *cli.Command) (time.Duration, error) {
	text := c.String("timeout")
	ms, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || ms <= 0:
		return 0, usageError("--timeout must be a positive integer (milliseconds), got %q", text)
	case ms > maxTimeout.Milliseconds():
		return 0, usageError("--timeout must be at most %d milliseconds, which is a year, got %s", maxTimeout.Milliseconds(), text)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// target resolves flags, environment and config, in this order.
func (a *app) target(c *cli.Command) (target, error) {
	p, r, err := a.profile()
	if err != nil {
		return target{}, err
	}
	t := target{profile: p, token: c.String("token"), password: c.String("password")}
	if t.timeout, err = timeoutOf(c); err != nil {
		return target{}, err
	}
	var lookup profiles.Lookup
	if t.config, lookup, err = a.configOf(p); err != nil {
		return target{}, err
	}
	if c.IsSet("url") {
		t.url, t.source = c.String("url"), "cli --url"
		if t.token == "" && t.password == "" {
			return target{}, usageError("gateway url override requires explicit credentials\nFix: pass --token or --password.\nConfig: %s", p.ConfigPath)
		}
		t.fingerprint, err = givenURL(t.url, c.String("tls-fingerprint"))
		return t, err
	}
	if c.IsSet("tls-fingerprint") {
		return target{}, usageError("--tls-fingerprint is for --url; for the gateway of a config set gateway.remote.tlsFingerprint")
	}
	return a.configTarget(t, r, lookup)
}

// configTarget makes t the gateway that the config of its profile means.
func (a *app) configTarget(t target, r *profiles.Registry, lookup func(string) (string, bool)) (target, error) {
	p, err := t.profile, error(nil)
	gw := effectiveGateway(t.config, p, lookup)
	if gw.Mode == "remote" {
		if gw.Remote.URL == "" {
			return target{}, exitcode.With(exitcode.Config, fmt.Errorf("gateway remote mode misconfigured: gateway.remote.url missing\nConfig: %s\nFix: set gateway.remote.url, or set gateway.mode=local", p.ConfigPath))
		}
		t.url, t.source = gw.Remote.URL, "config gateway.remote.url"
		t.token = firstOf(t.token, gw.Remote.Token)
		t.password = firstOf(t.password, gw.Remote.Password)
		if t.fingerprint, err = parseFingerprint(gw.Remote.TLSFingerprint); err != nil {
			return t, err
		}
		if fault := urlFault(t.url, t.fingerprint); fault != "" {
			return target{}, exitcode.With(exitcode.Config, fmt.Errorf("gateway.remote.url %q of %s %s", t.shown(), p.ConfigPath, fault))
		}
		return t, nil
	}
	return a.localTarget(t, r, gw)
}

// localTarget makes t the gateway of its profile on this machine, which gw configures.
func (a *app) localTarget(t target, r *profiles.Registry, gw config.Gateway) (target, error) {
	p := t.profile
	port, err := a.localPort(p, r, gw.Port)
	if err != nil {
		return target{}, err
	}
	tls := gw.TLS
	if h, ok := statelock.Find(p); ok && h.Port == port && h.Scheme != "" {
		tls.Enabled = h.Scheme == "wss" // the config may have changed since it started
	}
	t.fingerprint, _ = pinned(tls, p.StateDir) // it is made when the gateway first starts; before that nobody answers
	host := "127.0.0.1"
	t.source = "local loopback"
	if addrs, err := config.BindAddrs(gw.Bind, gw.CustomBindHost, port); err == nil && !addrs[0].Addr().IsUnspecified() {
		host = addrs[0].Addr().String()
		if !addrs[0].Addr().IsLoopback() {
			t.source = "local " + gw.Bind + " " + host
		}
	}
	t.url = tls.Scheme() + "://" + net.JoinHostPort(host, strconv.Itoa(port))
	t.tokenFrom, t.token = pickToken(sourced{"--token", t.token}, sourced{config.EnvToken, envValue(a.env, config.EnvToken)}, sourced{auth.TokenInConfig + " of " + p.ConfigPath, gw.Auth.Token})
	t.password = firstOf(t.password, envValue(a.env, config.EnvPassword), gw.Auth.Password)
	return t, nil
}

// sourced is a value and where it was found.
type sourced struct{ from, value string }

// pickToken returns the first that there is.
func pickToken(all ...sourced) (from, token string) {
	for _, s := range all {
		if s.value != "" {
			return s.from, s.value
		}
	}
	return "", ""
}

// gatewayOf is the gateway of a profile on this machine, at the first address that
// its config gives it.
func (a *app) gatewayOf(p profiles.Profile, check supervisor.Checked) (target, error) {
	snapshot, lookup, err := a.configOf(p)
	if err != nil {
		return target{}, err
	}
	host := "127.0.0.1"
	if len(check.Addrs) > 0 && !check.Addrs[0].Addr().IsUnspecified() {
		host = check.Addrs[0].Addr().String()
	}
	auth := snapshot.Config.Gateway.Auth
	token, _ := lookup(config.EnvToken)
	password, _ := lookup(config.EnvPassword)
	tls := snapshot.Config.Gateway.TLS
	fingerprint, _ := pinned(tls, p.StateDir) // it is made when the gateway first starts; before that nobody answers
	return target{profile: p, config: snapshot, url: tls.Scheme() + "://" + net.JoinHostPort(host, strconv.Itoa(check.Port)), source: "local loopback", fingerprint: fingerprint,
		token: firstOf(auth.Token, token), password: firstOf(auth.Password, password), timeout: requestTimeout}, nil
}

// localPort is where the gateway of p listens: what a running one says of
// itself in its lock, else what environment and config say.
func (a *app) localPort(p profiles.Profile, r *profiles.Registry, configured int) (int, error) {
	if v := envValue(a.env, "CODERCLAW_GATEWAY_PORT"); v != "" {
		port, err := profiles.ParsePort(v)
		if err != nil {
			return 0, fmt.Errorf("CODERCLAW_GATEWAY_PORT: %w", err)
		}
		return port, nil
	}
	if h, ok := statelock.Find(p); ok && h.Port != 0 {
		return h.Port, nil
	}
	if configured != 0 {
		return configured, nil
	}
	return p.Port, nil
}

// dial connects to the target. mode is "cli", or "probe" for a look that leaves
// no trace in the gateway's presence.
func (a *app) dial(ctx context.Context, t target, mode string, onEvent func(protocol.Event)) (*client.Client, error) {
	if err := t.impostor(); err != nil {
		return nil, err
	}
	id, err := client.LoadIdentity(t.profile.StateDir)
	if err != nil {
		return nil, err
	}
	scopes := []string{"operator.admin", "operator.approvals", "operator.pairing"}
	if mode == "probe" {
		scopes = []string{"operator.admin"}
	}
	return client.Dial(ctx, client.Options{
		URL: t.url, Token: t.token, Password: t.password, Fingerprint: t.fingerprint, Identity: id, Foreign: !t.local(), ClientID: "cli", Mode: mode,
		Version: buildinfo.Version(), Role: "operator", Scopes: scopes, Timeout: t.timeout, Dial: t.through, OnEvent: onEvent,
	})
}

// withGateway is onConnection for what is to be done within --timeout.
func (a *app) withGateway(ctx context.Context, c *cli.Command, do func(ctx context.Context, t target, conn *client.Client) error) error {
	return a.onConnection(ctx, c, func(ctx context.Context, t target, conn *client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, t.timeout)
		defer cancel()
		return do(ctx, t, conn)
	})
}

// onConnection hands do one connection to the gateway that the flags mean, for as long
// as do takes.
func (a *app) onConnection(ctx context.Context, c *cli.Command, do func(ctx context.Context, t target, conn *client.Client) error) error {
	t, err := a.target(c)
	if err != nil {
		return err
	}
	dialCtx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	conn, err := a.dial(dialCtx, t, "cli", nil)
	if err != nil {
		return t.absent(a.unreachable(t, err))
	}
	return errors.Join(do(ctx, t, conn), conn.Close())
}

// call makes one request on a connection of its own.
func (a *app) call(ctx context.Context, t target, mode, method string, params, result any) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	conn, err := a.dial(ctx, t, mode, nil)
	if err != nil {
		err = a.unreachable(t, err)
		if mode != "probe" { // who looks has more to say
			err = t.absent(err)
		}
		return err
	}
	err = conn.Call(ctx, method, params, result)
	if closeErr := conn.Close(); err == nil {
		err = closeErr
	}
	return err
}
