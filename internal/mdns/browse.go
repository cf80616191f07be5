package mdns

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Found is a service that somebody announces.
type Found struct {
	Instance string
	Host     string // its full name, without the last dot
	Port     uint16
	Text     []string     // key=value, raw
	Addrs    []netip.Addr // IPv4 first; those of IPv6 that count on one link only carry its zone
}

// askAgain is when a browser asks once more, for those who did not hear it.
const askAgain = 700 * time.Millisecond

// maxFound bounds what a browser keeps of each kind of record.
const maxFound = 512

// Browse asks for the services of a type on links, and returns those that have
// answered in full when ctx ends. An error says that nobody could be asked.
func Browse(ctx context.Context, kind string, links []Link) ([]Found, error) {
	c, err := listen(links)
	if err != nil {
		own, alone := net.ListenUDP("udp4", nil) // somebody has the port for himself; what is asked from another comes to it alone
		if alone != nil || len(links) == 0 {
			return nil, err
		}
		if c, err = open(own, group, links); err != nil {
			return nil, err
		}
	}
	defer c.close()
	return browse(ctx, c, kind)
}

func browse(ctx context.Context, c *conn, kind string) ([]Found, error) {
	b := newBrowser(kind)
	if err := b.ask(c, flush); err != nil { // an answer to this one alone may come at once
		return nil, err
	}
	again := time.NewTimer(askAgain)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return b.found(), nil
		case <-again.C:
			_ = b.ask(c, 0) // it was heard the first time, or will not be
		case p := <-c.packets:
			if p.msg.Response && p.from.Port() == c.port {
				b.learn(p)
			}
		}
	}
}

// browser collects records; its names are in lower case.
type browser struct {
	kind     string
	pointers map[string]string // instance to its name as written
	srv      map[string]*dns.SRV
	txt      map[string]*dns.TXT
	addrs    map[string][]netip.Addr
}

func newBrowser(kind string) *browser {
	return &browser{kind: strings.ToLower(kind) + "." + Domain + ".", pointers: map[string]string{}, srv: map[string]*dns.SRV{}, txt: map[string]*dns.TXT{}, addrs: map[string][]netip.Addr{}}
}

// ask asks for the type, and for what is still missing of those that are known.
func (b *browser) ask(c *conn, alone uint16) error {
	m := new(dns.Msg)
	m.Question = []dns.Question{{Name: b.kind, Qtype: dns.TypePTR, Qclass: dns.ClassINET | alone}}
	for key, name := range b.pointers {
		if b.srv[key] == nil || b.txt[key] == nil {
			m.Question = append(m.Question, dns.Question{Name: name, Qtype: dns.TypeANY, Qclass: dns.ClassINET})
		}
		if srv := b.srv[key]; srv != nil && len(b.addrs[strings.ToLower(srv.Target)]) == 0 {
			m.Question = append(m.Question, dns.Question{Name: srv.Target, Qtype: dns.TypeA, Qclass: dns.ClassINET})
		}
	}
	var failed error
	sent := 0
	for _, l := range c.links {
		if err := c.sendAll(l, m); err != nil {
			failed = fmt.Errorf("multicast DNS on %s: %w", l.Interface.Name, err)
			continue
		}
		sent++
	}
	if sent == 0 {
		return failed
	}
	return nil
}

// learn takes what a message says, or takes back.
func (b *browser) learn(p packet) {
	for _, rr := range append(p.msg.Answer, p.msg.Extra...) {
		key := strings.ToLower(rr.Header().Name)
		gone := rr.Header().Ttl == 0
		switch r := rr.(type) {
		case *dns.PTR:
			if key == b.kind {
				put(b.pointers, strings.ToLower(r.Ptr), r.Ptr, gone)
			}
		case *dns.SRV:
			put(b.srv, key, r, gone)
		case *dns.TXT:
			put(b.txt, key, r, gone)
		case *dns.A:
			if a, ok := netip.AddrFromSlice(r.A.To4()); ok {
				b.address(key, a, gone)
			}
		case *dns.AAAA:
			if a, ok := netip.AddrFromSlice(r.AAAA); ok {
				if a.IsLinkLocalUnicast() {
					a = a.WithZone(p.link.Interface.Name)
				}
				b.address(key, a, gone)
			}
		}
	}
}

func put[V any](m map[string]V, key string, v V, gone bool) {
	if gone {
		delete(m, key)
	} else if _, known := m[key]; known || len(m) < maxFound {
		m[key] = v
	}
}

func (b *browser) address(host string, a netip.Addr, gone bool) {
	have := slices.DeleteFunc(b.addrs[host], func(x netip.Addr) bool { return x == a })
	if !gone && len(have) < maxFound {
		have = append(have, a)
	}
	put(b.addrs, host, have, len(have) == 0)
}

func (b *browser) found() []Found {
	out := []Found{}
	for key, name := range b.pointers {
		srv := b.srv[key]
		if srv == nil {
			continue
		}
		first, rest := firstLabel(name)
		if !strings.EqualFold(rest, b.kind) {
			continue
		}
		f := Found{Instance: unescape(first), Host: strings.TrimSuffix(unescape(srv.Target), "."), Port: srv.Port, Addrs: slices.Clone(b.addrs[strings.ToLower(srv.Target)])}
		if txt := b.txt[key]; txt != nil {
			for _, one := range txt.Txt {
				if one != "" {
					f.Text = append(f.Text, unescape(one))
				}
			}
		}
		slices.SortFunc(f.Addrs, func(x, y netip.Addr) int {
			return cmp.Or(cmp.Compare(x.BitLen(), y.BitLen()), x.Compare(y))
		})
		out = append(out, f)
	}
	slices.SortFunc(out, func(x, y Found) int {
		return cmp.Or(cmp.Compare(x.Instance, y.Instance), cmp.Compare(x.Host, y.Host))
	})
	return out
}
