package discovery

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/coderclaw/coderclaw/internal/mdns"
)

// Options say what is announced.
type Options struct {
	Full        bool // also what only helps a person who administers the machine
	Host        string
	Profile     string           // "" or default leaves the name to the host
	Listening   []netip.AddrPort // where the gateway answers
	TLS         bool
	Fingerprint string // of its certificate, "" when it is not known
	CLIPath     string // of this program; told with Full only
	SSHPort     int    // on which the machine answers ssh, 0 for none; told with Full only
	Log         *slog.Logger
}

// Announce makes the gateway known until ctx ends, and withdraws it then. A gateway
// that only this machine can reach is never announced. What fails is one warning:
// a gateway that nobody finds is a gateway all the same.
func Announce(ctx context.Context, o Options) {
	port := reachable(o.Listening)
	if port == 0 {
		o.Log.Warn("not announced on the network: only this machine can reach the gateway", "fix", `set gateway.bind, or discovery.mdns.mode to "off"`)
		return
	}
	s := service(o, port)
	err := mdns.Announce(ctx, s, func() ([]mdns.Link, error) {
		all, err := mdns.Links()
		return onlyWhere(all, o.Listening), err
	}, func(s mdns.Service) {
		o.Log.Info("announced on the network", "name", s.Instance, "service", serviceType, "port", s.Port)
	})
	if err != nil {
		o.Log.Warn("not announced on the network", "err", err)
	}
}

// reachable is the port on which others can reach the gateway, 0 when there is none.
func reachable(listening []netip.AddrPort) uint16 {
	for _, at := range listening {
		if !at.Addr().IsLoopback() {
			return at.Port()
		}
	}
	return 0
}

// onlyWhere leaves of the links those on which the gateway listens, with the
// addresses at which it does, and never the loopback.
func onlyWhere(links []mdns.Link, listening []netip.AddrPort) []mdns.Link {
	var out []mdns.Link
	for _, l := range links {
		here := mdns.Link{Interface: l.Interface}
		for _, p := range l.Addrs {
			for _, at := range listening {
				a := at.Addr().Unmap()
				if a == p.Addr() || a.IsUnspecified() && a.Is4() == p.Addr().Is4() {
					if !p.Addr().IsLoopback() {
						here.Addrs = append(here.Addrs, p)
					}
					break
				}
			}
		}
		if len(here.Addrs) > 0 {
			out = append(out, here)
		}
	}
	return out
}

func service(o Options, port uint16) mdns.Service {
	host, _, _ := strings.Cut(o.Host, ".")
	name, label := host, host+"-coderclaw"
	if o.Profile != "" && o.Profile != "default" {
		name += " (" + o.Profile + ")"
		label += "-" + strings.ReplaceAll(o.Profile, "_", "-")
	}
	s := mdns.Service{Instance: name, Type: serviceType, Host: label, Port: port}
	s.Retext = func(instance, host string) []string { return o.text(instance, host, port) }
	s.Text = s.Retext(name, label)
	return s
}

// text is what is told besides the name, the host and the port.
func (o Options) text(instance, host string, port uint16) []string {
	text := []string{"role=gateway", "transport=gateway", "displayName=" + instance, "lanHost=" + host + "." + mdns.Domain, "gatewayPort=" + strconv.Itoa(int(port))}
	if o.TLS {
		text = append(text, "gatewayTls=1")
		if o.Fingerprint != "" {
			text = append(text, "gatewayTlsSha256="+o.Fingerprint)
		}
	}
	if o.Full {
		if o.CLIPath != "" {
			text = append(text, "cliPath="+o.CLIPath)
		}
		if o.SSHPort != 0 {
			text = append(text, "sshPort="+strconv.Itoa(o.SSHPort))
		}
	}
	return slices.DeleteFunc(text, func(s string) bool { return len(s) > maxText }) // half a path is none
}

// maxText is the longest entry of a text record, in bytes.
const maxText = 255
