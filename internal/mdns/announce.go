package mdns

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Times of RFC 6762 §6, 8 and 9.
const (
	probes        = 3
	probeWait     = 250 * time.Millisecond // after each probe, and at most before the first
	defeatWait    = time.Second            // before names are asked for again that others have
	announcements = 2
	announceWait  = time.Second
	quiet         = time.Second // between two answers to everybody on a link
	quietDefence  = probeWait   // the same, when the answer is that a name is taken
)

// lookWait is how often the links are looked at again: a machine changes networks.
const lookWait = 30 * time.Second

// maxHeld bounds what is answered later.
const maxHeld = 16

// maxRenames bounds how many names are tried.
const maxRenames = 100

// Announce makes a service known on links until ctx ends, and withdraws it then.
// links is asked again from time to time; named, which may be nil, is told what the
// service is called once nobody else claims the name. An error says that the service
// was never known, or that no name was left.
func Announce(ctx context.Context, s Service, links func() ([]Link, error), named func(Service)) error {
	at, err := links()
	if err != nil {
		return fmt.Errorf("multicast DNS: %w", err)
	}
	c, err := listen(at)
	if err != nil {
		return err
	}
	defer c.close()
	return announce(ctx, c, s, links, named)
}

// announcer is the state of one Announce; one goroutine has it.
type announcer struct {
	conn    *conn
	wanted  Service
	service Service // under the name that it has, or tries
	renames int
	sent    int // probes, then announcements
	known   bool
	spoke   map[int]time.Time // to everybody, by link
	held    []packet          // that are answered a little later
	named   func(Service)
}

func announce(ctx context.Context, c *conn, s Service, links func() ([]Link, error), named func(Service)) error {
	a := &announcer{conn: c, wanted: s, service: s, spoke: map[int]time.Time{}, named: named}
	next := time.NewTimer(rand.N(probeWait))
	defer next.Stop()
	look := time.NewTicker(lookWait)
	defer look.Stop()
	release := time.NewTimer(0) // what is held
	defer release.Stop()
	for {
		select {
		case <-ctx.Done():
			if a.known {
				a.tell(withdrawal(a.service))
			}
			return nil
		case <-next.C:
			if wait := a.step(); wait > 0 {
				next.Reset(wait)
			}
		case <-release.C:
			held := a.held
			a.held = nil
			for _, p := range held {
				if a.known {
					a.answer(p, time.Now(), release)
				}
			}
		case <-look.C:
			now, err := links()
			if err != nil || len(now) == 0 || reflect.DeepEqual(now, c.links) {
				continue // without a network there is nobody to tell
			}
			c.join(now)
			a.sent = 0
			a.known = false
			next.Reset(probeWait)
		case p := <-c.packets:
			switch {
			case p.msg.Response:
				if p.from.Port() != c.port || !conflict(a.service, c.links, append(p.msg.Answer, p.msg.Extra...)) {
					continue
				}
				if a.renames++; a.renames > maxRenames {
					return fmt.Errorf("multicast DNS: every name like %q is taken", a.wanted.Instance)
				}
				a.rename()
				next.Reset(probeWait)
			case !a.known:
				if loses(a.service, p) {
					a.sent = 0
					next.Reset(defeatWait)
				}
			default:
				a.answer(p, time.Now(), release)
			}
		}
	}
}

// step does what is next before the service is known, and just after; the wait
// until the step that follows is 0 when there is none.
func (a *announcer) step() time.Duration {
	if !a.known {
		if a.sent < probes {
			a.sent++
			a.tell(func(l Link) *dns.Msg { return probe(a.service, l) })
			return probeWait
		}
		a.known, a.sent = true, 0
		if a.named != nil {
			a.named(a.service)
		}
	}
	a.tell(func(l Link) *dns.Msg {
		m := response()
		m.Answer = a.service.all(l)
		return m
	})
	if a.sent++; a.sent < announcements {
		return announceWait
	}
	return 0
}

// rename gives up a name that somebody else has.
func (a *announcer) rename() {
	n := strconv.Itoa(a.renames + 1)
	a.service.Instance = cut(a.wanted.Instance, maxLabel-len(n)-3) + " (" + n + ")"
	a.service.Host = cut(a.wanted.Host, maxLabel-len(n)-1) + "-" + n
	if a.wanted.Retext != nil {
		a.service.Text = a.wanted.Retext(a.service.Instance, a.service.Host)
	}
	a.known, a.sent = false, 0
}

// cut is the beginning of s that fits into size bytes.
func cut(s string, size int) string { return strings.ToValidUTF8(s[:min(len(s), size)], "") }

// tell sends to everybody. A link that does not take it is looked at again later.
func (a *announcer) tell(message func(Link) *dns.Msg) {
	for _, l := range a.conn.links {
		_ = a.conn.sendAll(l, message(l))
	}
}

// answer answers a query. However often it is asked, it does not speak to everybody
// more often than RFC 6762 §6 lets it: who asks too soon is answered after release.
func (a *announcer) answer(p packet, now time.Time, release *time.Timer) {
	everybody, asker := reply(a.service, p.link, p.msg, p.from.Port() != a.conn.port)
	if asker != nil && !p.held {
		_ = a.conn.sendTo(p.from, asker) // who asks from where nobody is gets nothing
	}
	if everybody == nil {
		return
	}
	wait := quiet
	if len(p.msg.Ns) > 0 { // a probe
		wait = quietDefence
	}
	index := p.link.Interface.Index
	if early := wait - now.Sub(a.spoke[index]); early > 0 {
		if p.held = true; len(a.held) < maxHeld {
			a.held = append(a.held, p)
			release.Reset(early)
		}
		return
	}
	a.spoke[index] = now
	_ = a.conn.sendAll(p.link, everybody) // it is asked again
}

// withdrawal takes back what was announced. Others may serve the same type.
func withdrawal(s Service) func(Link) *dns.Msg {
	return func(l Link) *dns.Msg {
		m := response()
		m.Answer = append([]dns.RR{s.ptr(), s.srv(), s.txt()}, s.hosts(l)...)
		for _, rr := range m.Answer {
			rr.Header().Ttl = 0
		}
		return m
	}
}

// loses tells whether p is the probe of another that wants the same name and comes
// first (RFC 6762 §8.2).
func loses(s Service, p packet) bool {
	for _, rr := range p.msg.Ns {
		other, ok := rr.(*dns.SRV)
		if !ok || !same(&dns.SRV{Hdr: other.Hdr}, &dns.SRV{Hdr: s.srv().Hdr}) {
			continue
		}
		own := s.srv()
		if other.Port != own.Port {
			return other.Port > own.Port
		}
		return other.Target > own.Target
	}
	return false
}
