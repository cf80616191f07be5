// Package mdns owns DNS-SD over multicast DNS (RFC 6762, RFC 6763) as far as one
// program needs it that says where it is, or looks for others: one service is
// probed for, announced, answered for and withdrawn, and the services of a type
// are looked up. It speaks IPv4 on port 5353 beside whatever else of the machine
// does. The wire format is that of github.com/miekg/dns; what the libraries for
// DNS-SD offer leaves goroutines behind when it ends, or never says goodbye.
package mdns

import (
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Domain is the one in which multicast DNS names things.
const Domain = "local"

// group is where everybody listens.
var group = netip.AddrPortFrom(netip.AddrFrom4([4]byte{224, 0, 0, 251}), 5353)

// Times to live, in seconds (RFC 6762 §10).
const (
	ttlHost    = 120  // of records that name a host
	ttlService = 4500 // of all others
	ttlLegacy  = 10   // most for one that does not speak multicast DNS
)

// flush in the class of a record says that it replaces all others of its name; in
// that of a question, that the answer may come to the asker alone.
const flush = 1 << 15

// maxLabel is the longest part of a name, in bytes.
const maxLabel = 63

// Service is one instance of a service.
type Service struct {
	Instance string // any text of at most 63 bytes; longer ones are cut
	Type     string // like _http._tcp
	Host     string // letters, digits and hyphens; the name below .local that holds the addresses
	Port     uint16
	Text     []string // key=value, each at most 255 bytes
	// Retext, when set, makes Text anew for a service that got another name because
	// somebody has the first.
	Retext func(instance, host string) []string
}

// Link is a network that the machine is on, and its addresses there that count.
type Link struct {
	Interface net.Interface
	Addrs     []netip.Prefix
}

// Links are the networks on which multicast works, with all their addresses, and
// the loopback only where that was made to carry multicast.
func Links() ([]Link, error) {
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var out []Link
	for _, i := range ifaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagMulticast == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		l := Link{Interface: i}
		has4 := false
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ones, _ := n.Mask.Size()
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				l.Addrs = append(l.Addrs, netip.PrefixFrom(addr.Unmap(), ones))
				has4 = has4 || addr.Unmap().Is4()
			}
		}
		if has4 {
			out = append(out, l)
		}
	}
	return out, nil
}

// holds tells whether an address lies in one of the link's networks.
func (l Link) holds(a netip.Addr) bool {
	for _, p := range l.Addrs {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// label makes text one part of a name.
func label(text string) string {
	return asRead(escape(cut(text, maxLabel)))
}

// asRead is a name as the library writes the ones that it reads, so that two of
// them can be compared.
func asRead(name string) string {
	raw := make([]byte, 2*maxLabel)
	if _, err := dns.PackDomainName(name+".", raw, 0, nil, false); err != nil {
		return name // no name that anybody could send
	}
	read, _, err := dns.UnpackDomainName(raw, 0)
	if err != nil {
		return name
	}
	return strings.TrimSuffix(read, ".")
}

func (s Service) typeName() string     { return s.Type + "." + Domain + "." }
func (s Service) instanceName() string { return label(s.Instance) + "." + s.typeName() }
func (s Service) hostName() string     { return label(s.Host) + "." + Domain + "." }

// typesName lists the types of services that there are.
const typesName = "_services._dns-sd._udp." + Domain + "."

func header(name string, kind uint16, ttl uint32, unique bool) dns.RR_Header {
	h := dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
	if unique {
		h.Class |= flush
	}
	return h
}

func (s Service) ptr() dns.RR {
	return &dns.PTR{Hdr: header(s.typeName(), dns.TypePTR, ttlService, false), Ptr: s.instanceName()}
}

func (s Service) typePtr() dns.RR {
	return &dns.PTR{Hdr: header(typesName, dns.TypePTR, ttlService, false), Ptr: s.typeName()}
}

func (s Service) srv() *dns.SRV {
	return &dns.SRV{Hdr: header(s.instanceName(), dns.TypeSRV, ttlHost, true), Port: s.Port, Target: s.hostName()}
}

func (s Service) txt() dns.RR {
	t := &dns.TXT{Hdr: header(s.instanceName(), dns.TypeTXT, ttlService, true)}
	for _, one := range s.Text {
		t.Txt = append(t.Txt, escape(one))
	}
	if len(t.Txt) == 0 {
		t.Txt = []string{""} // RFC 6763 §6.1
	}
	raw := make([]byte, dns.Len(t))
	if _, err := dns.PackRR(t, raw, 0, nil, false); err != nil {
		return t // it cannot be sent
	}
	if read, _, err := dns.UnpackRR(raw, 0); err == nil {
		return read // written as others read it, see asRead
	}
	return t
}

// hosts are the addresses of the service on a link.
func (s Service) hosts(l Link) []dns.RR {
	var out []dns.RR
	for _, p := range l.Addrs {
		if a := p.Addr(); a.Is4() {
			out = append(out, &dns.A{Hdr: header(s.hostName(), dns.TypeA, ttlHost, true), A: a.AsSlice()})
		} else {
			out = append(out, &dns.AAAA{Hdr: header(s.hostName(), dns.TypeAAAA, ttlHost, true), AAAA: a.AsSlice()})
		}
	}
	return out
}

// all are the records of the service on a link.
func (s Service) all(l Link) []dns.RR {
	return append([]dns.RR{s.ptr(), s.typePtr(), s.srv(), s.txt()}, s.hosts(l)...)
}
