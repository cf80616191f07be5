package config

import (
	"errors"
	"net/netip"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// AuthGate is nil when a gateway of the file may listen on addrs with the
// credentials at hand, in the auth mode that ResolveAuthMode, or a person, has
// decided on; else the reason. It is marked exitcode.Auth where a credential is
// missing, exitcode.Config where the file contradicts itself.
func (s *Snapshot) AuthGate(mode string, addrs []netip.AddrPort, haveToken, havePassword bool) error {
	gw := s.Config.Gateway
	hint := ""
	if gw.Remote.Token != "" && !haveToken {
		hint = "\n" + remoteTokenUse
	}
	switch {
	case mode == AuthToken && !haveToken && gw.TailscaleAllowed(mode):
		if err := bindGate(addrs); err != nil {
			return err
		}
	case mode == AuthToken && !haveToken:
		return ErrNoToken(hint)
	case mode == AuthPassword && !havePassword:
		return ErrNoPassword(hint)
	case mode == AuthToken, mode == AuthPassword:
	case mode == AuthTrustedProxy:
		if err := gw.proxyGate(addrs); err != nil {
			return err
		}
	case mode == AuthNone:
		if err := bindGate(addrs); err != nil {
			return err
		}
	default:
		if err := bindGate(addrs); err != nil {
			return err
		}
		return errNoCredential(s.flag, hint)
	}
	return gw.tailscaleGate(mode, addrs)
}

// proxyGate is the reason why mode trusted-proxy lets nobody in, or would believe
// everybody on this machine.
func (g Gateway) proxyGate(addrs []netip.AddrPort) error {
	const begin = "gateway auth mode=trusted-proxy "
	switch {
	case onlyLoopback(addrs):
		return exitcode.With(exitcode.Config, errors.New(begin+"makes no sense with gateway bind=loopback: every program on this machine could name a user; set gateway.bind to lan, tailnet or custom"))
	case len(g.TrustedProxies) == 0:
		return exitcode.With(exitcode.Config, errors.New(begin+"requires gateway.trustedProxies: the addresses of the proxies that are believed"))
	case g.Auth.TrustedProxy == nil:
		return exitcode.With(exitcode.Config, errors.New(begin+"requires gateway.auth.trustedProxy with the userHeader that the proxy sets"))
	case g.Auth.TrustedProxy.UserHeader == "":
		return exitcode.With(exitcode.Config, errors.New(begin+"requires gateway.auth.trustedProxy.userHeader, which is empty"))
	}
	return nil
}

// tailscaleGate is the reason why the gateway may not be published.
func (g Gateway) tailscaleGate(mode string, addrs []netip.AddrPort) error {
	switch {
	case g.Tailscale.Mode == TailscaleFunnel && mode != AuthPassword:
		return exitcode.With(exitcode.Config, errors.New("tailscale funnel requires gateway auth mode=password (set gateway.auth.mode and gateway.auth.password, or gateway.tailscale.mode to serve)"))
	case g.Tailscale.Mode == TailscaleServe || g.Tailscale.Mode == TailscaleFunnel:
		if !onlyLoopback(addrs) {
			return exitcode.With(exitcode.Config, errors.New("tailscale serve/funnel requires gateway bind=loopback (127.0.0.1)"))
		}
	}
	return nil
}

func onlyLoopback(addrs []netip.AddrPort) bool {
	for _, a := range addrs {
		if !a.Addr().Unmap().IsLoopback() {
			return false
		}
	}
	return true
}
