package auth

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Peer is where a request comes from.
type Peer struct {
	IP     netip.Addr // of the client, as far as trusted proxies tell
	Hop    netip.Addr // the nearest address that is neither a trusted proxy nor this machine, else this machine's: what failures are counted for
	Local  bool       // the client is on this machine, and no untrusted proxy stands between
	Report string     // IP to store and show, "" for a local or doubtful one
}

// PeerOf judges a request. trusted lists the proxies, addresses or CIDR blocks,
// whose headers are believed.
func PeerOf(r *http.Request, trusted []string) Peer {
	remote := parseIP(r.RemoteAddr)
	proxied := wrote(r, "X-Forwarded-For") || wrote(r, "X-Real-Ip") || wrote(r, "X-Forwarded-Host") || wrote(r, "Forwarded")
	believed := trusts(trusted, remote)
	p := Peer{IP: remote, Hop: lastHop(r, remote, trusted)}
	if believed {
		forwarded, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
		for _, text := range []string{forwarded, r.Header.Get("X-Real-Ip")} {
			if ip := parseIP(strings.TrimSpace(text)); ip.IsValid() {
				p.IP = ip
				break
			}
		}
	}
	// A client can write the first element of X-Forwarded-For, not the last; and all of it
	// where the proxy writes X-Real-IP only.
	p.Local = p.IP.IsLoopback() && p.Hop.IsLoopback() && !strange(r.Header.Values("X-Real-Ip")) && localName(hostname(r.Host)) && (!proxied || believed)
	if !p.Local && (!proxied || believed) && p.IP.IsValid() && !p.IP.IsLoopback() {
		p.Report = p.IP.String()
	}
	return p
}

// wrote tells whether somebody wrote something into a header, in whichever of its lines.
func wrote(r *http.Request, header string) bool {
	return slices.ContainsFunc(r.Header.Values(header), func(v string) bool { return v != "" })
}

// strange tells whether one of the addresses is not this machine's.
func strange(addresses []string) bool {
	return slices.ContainsFunc(addresses, func(text string) bool { return !parseIP(strings.TrimSpace(text)).IsLoopback() })
}

func parseIP(text string) netip.Addr {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap()
	}
	ip, _ := netip.ParseAddr(text) // the zero Addr stands for "unknown"
	return ip.Unmap()
}

// lastHop follows X-Forwarded-For from its end, where the nearest proxy writes, for
// as long as those who wrote are trusted or on this machine. It is the zero Addr
// where one of them wrote no address.
func lastHop(r *http.Request, remote netip.Addr, trusted []string) netip.Addr {
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if len(chain) == 1 && strings.TrimSpace(chain[0]) == "" {
		chain = r.Header.Values("X-Real-Ip")
	}
	hop := remote
	for _, text := range slices.Backward(chain) {
		if !hop.IsLoopback() && !trusts(trusted, hop) {
			break
		}
		hop = parseIP(strings.TrimSpace(text))
	}
	return hop
}

func trusts(trusted []string, ip netip.Addr) bool {
	return ip.IsValid() && slices.ContainsFunc(trusted, func(rule string) bool { return matches(ip.WithZone(""), rule) })
}

// matches tells whether ip is the rule's address or lies in its range.
func matches(ip netip.Addr, rule string) bool {
	prefix, err := netip.ParsePrefix(strings.TrimSpace(rule))
	if err != nil {
		return parseIP(strings.TrimSpace(rule)) == ip
	}
	if a := prefix.Addr(); a.Is4In6() && prefix.Bits() >= 96 { // ip is never written so
		prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
	}
	return prefix.Contains(ip)
}

// hostname is the name in a Host header, lower case, without port and brackets.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

func localName(name string) bool {
	return name == "localhost" || name == "127.0.0.1" || name == "::1" || strings.HasSuffix(name, ".ts.net")
}

// OriginNotAllowed is the refusal of a page of another site.
const OriginNotAllowed = "origin not allowed (open the Control UI from the gateway host or allow it in gateway.controlUi.allowedOrigins)"

// OriginAllowed tells whether a page may connect. It is asked only about
// clients in browsers; the Origin of others means nothing.
func OriginAllowed(r *http.Request, client protocol.ClientInfo, allowed []string) bool {
	if !client.IsControlUI() && !client.IsWebchat() {
		return true
	}
	origin := strings.ToLower(strings.TrimSpace(r.Header.Get("Origin")))
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return false
	}
	for _, a := range allowed {
		if strings.ToLower(strings.TrimSpace(a)) == origin {
			return true
		}
	}
	return u.Host == strings.ToLower(r.Host) || loopbackName(u.Hostname()) && loopbackName(hostname(r.Host))
}

func loopbackName(name string) bool {
	ip := parseIP(name)
	return name == "localhost" || ip.IsValid() && ip.IsLoopback()
}

// HostAllowed tells whether a gateway that is bound to loopback answers to this
// Host header. A page of another site that has its own name resolve to
// 127.0.0.1 shows that name, and is refused.
func HostAllowed(host string, allowedOrigins []string) bool {
	name := hostname(host)
	if name == "" || strings.HasSuffix(name, ".localhost") || localName(name) || loopbackName(name) || parseIP(name).IsValid() {
		return true
	}
	return slices.ContainsFunc(allowedOrigins, func(a string) bool {
		u, err := url.Parse(strings.ToLower(strings.TrimSpace(a)))
		return err == nil && u.Hostname() == name
	})
}
