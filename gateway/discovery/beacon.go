// Package discovery owns what a gateway says of itself on the local network, and
// how others read it: the name of the service, its records, and when nothing is to
// be said. How it travels belongs to internal/mdns.
package discovery

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/coderclaw/coderclaw/internal/mdns"
	"github.com/coderclaw/coderclaw/profiles"
)

// serviceType is the kind of service that a gateway is.
const serviceType = "_coderclaw-gw._tcp"

// Domain is the one in which gateways are looked for.
const Domain = mdns.Domain + "."

// Beacon is a gateway that somebody announces. All of it was said by strangers: it
// proves nothing, and no credential may go there because of it.
type Beacon struct {
	InstanceName string            `json:"instanceName"`
	Domain       string            `json:"domain"`
	DisplayName  string            `json:"displayName,omitempty"`
	Host         string            `json:"host,omitempty"`
	Port         int               `json:"port,omitempty"`
	Addresses    []string          `json:"addresses"`
	LanHost      string            `json:"lanHost,omitempty"`
	TailnetDNS   string            `json:"tailnetDns,omitempty"`
	GatewayPort  int               `json:"gatewayPort,omitempty"`
	SSHPort      int               `json:"sshPort,omitempty"`
	TLS          bool              `json:"gatewayTls,omitempty"`
	Fingerprint  string            `json:"gatewayTlsFingerprintSha256,omitempty"`
	CLIPath      string            `json:"cliPath,omitempty"`
	Role         string            `json:"role,omitempty"`
	Transport    string            `json:"transport,omitempty"`
	Text         map[string]string `json:"txt"`
	URL          string            `json:"wsUrl,omitempty"`
}

// Find looks for gateways until ctx ends. An error says that there was no way to look.
func Find(ctx context.Context) ([]Beacon, error) {
	links, err := mdns.Links()
	if err != nil {
		return nil, err
	}
	found, err := mdns.Browse(ctx, serviceType, links)
	out := []Beacon{}
	for _, f := range found {
		out = append(out, beacon(f))
	}
	return out, err
}

// beacon reads what was found; what cannot be shown to a person is left out of it.
func beacon(f mdns.Found) Beacon {
	b := Beacon{InstanceName: Printable(f.Instance), Domain: Domain, Host: Printable(f.Host), Port: int(f.Port), Addresses: []string{}, Text: map[string]string{}}
	for _, a := range f.Addrs {
		b.Addresses = append(b.Addresses, a.String())
	}
	for _, one := range f.Text {
		key, value, _ := strings.Cut(one, "=")
		if _, twice := b.Text[Printable(key)]; !twice { // the first counts (RFC 6763 §6.4)
			b.Text[Printable(key)] = Printable(value)
		}
	}
	port := func(key string) int {
		n, err := strconv.ParseUint(b.Text[key], 10, 16)
		if err != nil {
			return 0
		}
		return int(n)
	}
	b.DisplayName, b.LanHost, b.TailnetDNS = b.Text["displayName"], b.Text["lanHost"], b.Text["tailnetDns"]
	b.GatewayPort, b.SSHPort = port("gatewayPort"), port("sshPort")
	b.TLS = slices.Contains([]string{"1", "true", "yes"}, strings.ToLower(b.Text["gatewayTls"]))
	b.Fingerprint, b.CLIPath = b.Text["gatewayTlsSha256"], b.Text["cliPath"]
	b.Role, b.Transport = b.Text["role"], b.Text["transport"]
	b.URL = b.url()
	return b
}

// HostName is where to reach the gateway: an address that was resolved, else one of
// the names that it gives, "" when it gives none.
func (b Beacon) HostName() string {
	for _, host := range append(slices.Clone(b.Addresses), b.Host, b.TailnetDNS, b.LanHost) {
		if host != "" {
			return host
		}
	}
	return ""
}

func (b Beacon) url() string {
	host := b.HostName()
	if host == "" {
		return ""
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() != "" {
		host = addr.WithZone("").String() + "%25" + addr.Zone() // RFC 6874
	}
	scheme, port := "ws", b.Port
	if b.TLS {
		scheme = "wss"
	}
	if port == 0 {
		port = b.GatewayPort
	}
	if port == 0 {
		port = profiles.DefaultPort
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// Printable leaves out what would move a terminal's cursor, or is no text.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
}
