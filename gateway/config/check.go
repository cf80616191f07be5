package config

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/coderclaw/coderclaw/profiles"
)

// Check is what must be known before a gateway is started: where it listens and
// whether it may. Fields are filled as far as the check came.
type Check struct {
	Addrs     []netip.AddrPort // first mandatory, others optional
	Port      int              // gateway.port, else the base port of the profile
	Hash      string           // of the file and all that it includes
	Mode      string           // gateway.mode as written
	AuthMode  string           // an Auth… constant; "" without a credential
	Workspace string           // agents.defaults.workspace, else the one of the profile
	Problems  []Problem
	Warnings  []Problem
	Snapshot  *Snapshot // nil when the file could not be read
}

// CheckProfile decides whether a supervised gateway of p may start: the file is
// valid, gateway.mode is local, a credential is present, and no address is wider
// than the credential allows. lookup is that of Environment. It changes nothing and
// opens no socket. The error is the first reason against a start, marked
// exitcode.Config or exitcode.Auth, and in the words of signatures.go.
func CheckProfile(ctx context.Context, p profiles.Profile, lookup func(string) (string, bool)) (Check, error) {
	if err := ctx.Err(); err != nil {
		return Check{}, fmt.Errorf("check config %s: %w", p.ConfigPath, err)
	}
	s, err := LoadProfile(p, lookup)
	if err != nil {
		return Check{Port: p.Port, Workspace: p.Workspace}, err
	}
	gw := s.Config.Gateway
	c := Check{
		Port: gw.Port, Hash: s.fullHash, Mode: gw.Mode, Workspace: s.Config.Agents.Defaults.Workspace,
		Problems: s.Problems, Warnings: s.Warnings, Snapshot: s,
	}
	if c.Port == 0 {
		c.Port = p.Port
	}
	if c.Workspace == "" {
		c.Workspace = p.Workspace
	}
	if err := s.Err(); err != nil {
		return c, err
	}
	if err := ModeGate(s); err != nil {
		return c, err
	}
	if c.Addrs, err = BindAddrs(gw.Bind, gw.CustomBindHost, c.Port); err != nil {
		return c, fmt.Errorf("config %s: %w", s.Path, err)
	}
	if err := s.TLSGate(p.StateDir); err != nil {
		return c, err
	}
	haveToken, havePassword := haveCredentials(gw.Auth, lookup)
	c.AuthMode = ResolveAuthMode(gw.Auth, haveToken, havePassword)
	return c, s.AuthGate(c.AuthMode, c.Addrs, haveToken, havePassword)
}

// ModeGate is nil when the file says gateway.mode "local", which alone lets a
// gateway start; else the reason, marked exitcode.Config.
func ModeGate(s *Snapshot) error {
	switch {
	case s.Config.Gateway.Mode == "local":
		return nil
	case !s.Exists:
		return errMissingConfig(s.flag)
	}
	return errStartBlocked(s.Config.Gateway.Mode)
}

// bindGate is the reason why addrs may not be bound without a credential.
func bindGate(addrs []netip.AddrPort) error {
	for _, a := range addrs {
		if err := BindGate(a); err != nil {
			return err
		}
	}
	return nil
}

// BindGate is the reason why addr may not be bound without a credential: other machines can
// reach it. The error is marked exitcode.Auth.
func BindGate(addr netip.AddrPort) error {
	if addr.Addr().Unmap().IsLoopback() {
		return nil
	}
	return errBindWithoutAuth(addr)
}

// ResolveAuthMode returns the auth mode of a gateway: what the file says, else
// password or token, whichever is there, password first. It is "" when the file is
// silent and there is no credential; such a gateway must not start, because AuthNone
// counts only when written.
func ResolveAuthMode(cfg Auth, haveToken, havePassword bool) string {
	switch {
	case cfg.Mode != "":
		return cfg.Mode
	case havePassword:
		return AuthPassword
	case haveToken:
		return AuthToken
	}
	return ""
}

// haveCredentials looks in the file first, then at the two variables.
func haveCredentials(cfg Auth, lookup func(string) (string, bool)) (token, password bool) {
	have := func(value, name string) bool {
		if value != "" || lookup == nil {
			return value != ""
		}
		v, ok := lookup(name)
		return ok && v != ""
	}
	return have(cfg.Token, EnvToken), have(cfg.Password, EnvPassword)
}
