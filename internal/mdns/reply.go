package mdns

import (
	"strings"

	"github.com/miekg/dns"
)

// reply answers a query for s on a link: what goes to everybody there, and what to
// the asker alone. Either is nil when there is nothing to say. legacy is one that
// asks as a plain resolver would, from a port of its own. Who asks to be told alone
// is told both ways, for several programs of a machine share the port, and what
// comes to one of them does not come to the others.
func reply(s Service, l Link, q *dns.Msg, legacy bool) (everybody, asker *dns.Msg) {
	for _, question := range q.Question {
		records := answers(s, l, question)
		records = unknown(records, q.Answer)
		if len(records) == 0 {
			continue
		}
		if !legacy {
			everybody = add(everybody, records)
		}
		if legacy || question.Qclass&flush != 0 {
			asker = add(asker, records)
		}
	}
	for _, m := range []*dns.Msg{everybody, asker} {
		if m != nil {
			m.Extra = missing(extras(s, l, m.Answer), m.Answer)
		}
	}
	if asker != nil && legacy {
		plainAnswer(asker, q)
	}
	return everybody, asker
}

// add puts records that are not there yet into the answers of m, which may be nil.
func add(m *dns.Msg, records []dns.RR) *dns.Msg {
	if m == nil {
		m = response()
	}
	m.Answer = append(m.Answer, missing(records, m.Answer)...)
	return m
}

func response() *dns.Msg {
	return &dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Authoritative: true}}
}

// answers are the records that a question is about.
func answers(s Service, l Link, q dns.Question) []dns.RR {
	if class := q.Qclass &^ flush; class != dns.ClassINET && class != dns.ClassANY {
		return nil
	}
	var out []dns.RR
	for _, rr := range s.all(l) {
		h := rr.Header()
		if strings.EqualFold(h.Name, q.Name) && (q.Qtype == h.Rrtype || q.Qtype == dns.TypeANY) {
			out = append(out, rr)
		}
	}
	return out
}

// extras are what one who gets these answers asks for next (RFC 6763 §12).
func extras(s Service, l Link, answers []dns.RR) []dns.RR {
	var out []dns.RR
	for _, rr := range answers {
		switch rr.Header().Rrtype {
		case dns.TypePTR:
			if strings.EqualFold(rr.Header().Name, s.typeName()) {
				out = append(out, s.srv(), s.txt())
				out = append(out, s.hosts(l)...)
			}
		case dns.TypeSRV:
			out = append(out, s.hosts(l)...)
		}
	}
	return out
}

// unknown leaves out what the asker says it knows, for at least half its time yet.
func unknown(records, known []dns.RR) []dns.RR {
	var out []dns.RR
next:
	for _, rr := range records {
		for _, k := range known {
			if same(rr, k) && k.Header().Ttl >= rr.Header().Ttl/2 {
				continue next
			}
		}
		out = append(out, rr)
	}
	return out
}

// missing are the records that are not among have, each once.
func missing(records, have []dns.RR) []dns.RR {
	var out []dns.RR
next:
	for _, rr := range records {
		for _, list := range [][]dns.RR{have, out} {
			for _, h := range list {
				if same(rr, h) {
					continue next
				}
			}
		}
		out = append(out, rr)
	}
	return out
}

// same tells whether two records say the same, for however long.
func same(a, b dns.RR) bool {
	ha, hb := a.Header(), b.Header()
	if ha.Rrtype != hb.Rrtype || !strings.EqualFold(ha.Name, hb.Name) {
		return false
	}
	x, y := dns.Copy(a), dns.Copy(b)
	for _, rr := range []dns.RR{x, y} {
		rr.Header().Class &^= flush
	}
	return dns.IsDuplicate(x, y)
}

// plainAnswer makes m one that a plain resolver understands (RFC 6762 §6.7).
func plainAnswer(m, q *dns.Msg) {
	m.Id, m.Question = q.Id, q.Question
	for _, list := range [][]dns.RR{m.Answer, m.Extra} {
		for _, rr := range list {
			rr.Header().Class &^= flush
			rr.Header().Ttl = min(rr.Header().Ttl, ttlLegacy)
		}
	}
}

// probe asks whether anybody has the names of s, which it means to take. The answer
// is to come to everybody, see reply.
func probe(s Service, l Link) *dns.Msg {
	m := new(dns.Msg)
	for _, name := range []string{s.instanceName(), s.hostName()} {
		m.Question = append(m.Question, dns.Question{Name: name, Qtype: dns.TypeANY, Qclass: dns.ClassINET})
	}
	m.Ns = append([]dns.RR{s.srv(), s.txt()}, s.hosts(l)...)
	for _, rr := range m.Ns {
		rr.Header().Class &^= flush
	}
	return m
}

// conflict tells whether records of others deny that s may have its names: its own
// came back from a loop of the network say what s says.
func conflict(s Service, links []Link, records []dns.RR) bool {
	var own []dns.RR
	for _, l := range links {
		own = append(own, s.all(l)...)
	}
	for _, rr := range records {
		h := rr.Header()
		if h.Ttl == 0 || h.Rrtype == dns.TypePTR || h.Class&^flush != dns.ClassINET ||
			!strings.EqualFold(h.Name, s.instanceName()) && !strings.EqualFold(h.Name, s.hostName()) {
			continue
		}
		if h.Rrtype != dns.TypeSRV && h.Rrtype != dns.TypeTXT && h.Rrtype != dns.TypeA && h.Rrtype != dns.TypeAAAA {
			continue // says nothing that s says
		}
		if len(missing([]dns.RR{rr}, own)) > 0 {
			return true
		}
	}
	return false
}
