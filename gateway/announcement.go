package gateway

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/coderclaw/coderclaw/gateway/certificate"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/discovery"
	"github.com/coderclaw/coderclaw/gateway/tailscale"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// publish has Tailscale publish the port until ctx ends, where the config says so.
func (g *Gateway) publish(ctx context.Context) {
	cfg := g.o.Config.Config.Gateway.Tailscale
	if cfg.Mode == config.TailscaleOff {
		return
	}
	plan := tailscale.Plan{Mode: cfg.Mode, Port: g.o.Port, Encrypted: g.o.TLS != nil, ResetOnExit: cfg.ResetOnExit}
	restart := func() bool { return errors.Is(context.Cause(ctx), ErrRestart) } // the successor would only publish it again
	g.o.Tailscale.Publish(ctx, plan, restart, g.o.Log, g.health.Published)
}

// announce tells the local network of the gateway until ctx ends, where the config says so.
func (g *Gateway) announce(ctx context.Context) {
	if mode := g.o.Config.Config.Discovery.MDNS; mode == config.MDNSMinimal || mode == config.MDNSFull {
		discovery.Announce(ctx, g.announcement())
	}
}

const sshPort = 22

// announcement is what the network is told of the gateway.
func (g *Gateway) announcement() discovery.Options {
	o := discovery.Options{Host: g.presence.Host(), Profile: g.o.Profile, TLS: g.o.TLS != nil, Log: g.o.Log, Full: g.o.Config.Config.Discovery.MDNS == config.MDNSFull}
	for _, l := range g.o.Listeners {
		if at, ok := l.Addr().(*net.TCPAddr); ok {
			o.Listening = append(o.Listening, at.AddrPort())
		}
	}
	if g.o.TLS != nil && len(g.o.TLS.Certificates) > 0 {
		o.Fingerprint = certificate.Fingerprint(g.o.TLS.Certificates[0].Certificate[0])
	}
	if o.Full {
		o.CLIPath, _ = os.Executable() // what is not known is not told
		o.SSHPort = sshListens()
	}
	return o
}

// sshListens is the port on which others can reach an ssh server of this machine, 0
// when nothing listens where one would.
func sshListens() int {
	listeners, _ := proctable.Listeners(sshPort) // what cannot be seen is not told
	for _, l := range listeners {
		if !l.Addr.Addr().IsLoopback() {
			return sshPort
		}
	}
	return 0
}
