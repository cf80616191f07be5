package gateway

import (
	"net"
	"os"

	"github.com/coderclaw/coderclaw/gateway/certificate"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/discovery"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

const sshPort = 22

// announcement is what the network is told of the gateway.
func (g *Gateway) announcement() discovery.Options {
	o := discovery.Options{Profile: g.o.Profile, TLS: g.o.TLS != nil, Log: g.o.Log, Full: g.o.Config.Config.Discovery.MDNS == config.MDNSFull}
	o.Host, _ = os.Hostname() // New had it
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
