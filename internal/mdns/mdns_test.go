package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/internal/nettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const kind = "_thing._tcp"

func thing(name string) Service {
	return Service{Instance: name, Type: kind, Host: "box-thing", Port: 4711, Text: []string{"a=1", `b=Größe "x" \`}}
}

func link(prefixes ...string) Link {
	l := Link{Interface: net.Interface{Index: 7, Name: "seven"}}
	for _, p := range prefixes {
		l.Addrs = append(l.Addrs, netip.MustParsePrefix(p))
	}
	return l
}

func query(name string, kind, class uint16) *dns.Msg {
	m := new(dns.Msg)
	m.Id = 77
	m.Question = []dns.Question{{Name: name, Qtype: kind, Qclass: class}}
	return m
}

// TestReply: who asks for what is told it, in the way in which it was asked.
func TestReply(t *testing.T) {
	t.Parallel()
	s, l := thing("Dr. Box"), link("192.0.2.5/24", "2001:db8::5/64")
	instance := s.instanceName()
	known := query("_thing._tcp.local.", dns.TypePTR, dns.ClassINET)
	known.Answer = []dns.RR{s.ptr()}
	old := query("_thing._tcp.local.", dns.TypePTR, dns.ClassINET)
	old.Answer = []dns.RR{s.ptr()}
	old.Answer[0].Header().Ttl = ttlService/2 - 1
	for name, x := range map[string]struct {
		query            *dns.Msg
		legacy           bool
		everybody, asker string // types of answers; of extras behind a slash
	}{
		"type":            {query: query("_THING._tcp.local.", dns.TypePTR, dns.ClassINET), everybody: "PTR/SRV TXT A AAAA"},
		"type, alone":     {query: query("_thing._tcp.local.", dns.TypePTR, dns.ClassINET|flush), everybody: "PTR/SRV TXT A AAAA", asker: "PTR/SRV TXT A AAAA"},
		"type, legacy":    {query: query("_thing._tcp.local.", dns.TypePTR, dns.ClassINET), legacy: true, asker: "PTR/SRV TXT A AAAA"},
		"known":           {query: known},
		"known for short": {query: old, everybody: "PTR/SRV TXT A AAAA"},
		"types":           {query: query(typesName, dns.TypePTR, dns.ClassINET), everybody: "PTR/"},
		"instance":        {query: query(instance, dns.TypeANY, dns.ClassINET), everybody: "SRV TXT/A AAAA"},
		"its text":        {query: query(instance, dns.TypeTXT, dns.ClassANY), everybody: "TXT/"},
		"host":            {query: query("box-thing.local.", dns.TypeA, dns.ClassINET), everybody: "A/"},
		"another type":    {query: query("_other._tcp.local.", dns.TypePTR, dns.ClassINET)},
		"another class":   {query: query("_thing._tcp.local.", dns.TypePTR, dns.ClassCHAOS)},
		"nothing":         {query: new(dns.Msg)},
	} {
		everybody, asker := reply(s, l, x.query, x.legacy)
		if got := words(everybody); got != x.everybody {
			t.Errorf("%s: everybody is told %q, want %q", name, got, x.everybody)
		}
		if got := words(asker); got != x.asker {
			t.Errorf("%s: the asker is told %q, want %q", name, got, x.asker)
		}
		if x.legacy {
			if asker.Id != 77 || len(asker.Question) != 1 {
				t.Errorf("%s: %+v is no answer to %+v", name, asker, x.query)
			}
			for _, rr := range slices.Concat(asker.Answer, asker.Extra) {
				if h := rr.Header(); h.Class != dns.ClassINET || h.Ttl > ttlLegacy {
					t.Errorf("%s: %v", name, rr)
				}
			}
		}
	}
}

func words(m *dns.Msg) string {
	if m == nil {
		return ""
	}
	of := func(list []dns.RR) string {
		var out []string
		for _, rr := range list {
			out = append(out, dns.TypeToString[rr.Header().Rrtype])
		}
		return strings.Join(out, " ")
	}
	return of(m.Answer) + "/" + of(m.Extra)
}

// TestConflict: only what denies a name of the service is one.
func TestConflict(t *testing.T) {
	t.Parallel()
	s, l := thing("Dr. Box"), link("192.0.2.5/24")
	other := thing("Dr. Box")
	other.Port++
	elsewhere := thing("else")
	elsewhere.Host = "else"
	for name, x := range map[string]struct {
		records []dns.RR
		want    bool
	}{
		"its own":          {s.all(l), false},
		"its own, read":    {overTheWire(t, s.all(l)), false},
		"another port":     {[]dns.RR{other.srv()}, true},
		"another address":  {s.hosts(link("192.0.2.6/24")), true},
		"another name":     {elsewhere.all(l), false},
		"a shared pointer": {[]dns.RR{other.ptr()}, false},
		"withdrawn":        {withdrawal(other)(l).Answer, false},
	} {
		if got := conflict(s, []Link{l}, x.records); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// overTheWire is what arrives of records.
func overTheWire(t *testing.T, records []dns.RR) []dns.RR {
	t.Helper()
	m := response()
	m.Answer = records
	m.Compress = true
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var got dns.Msg
	if err := got.Unpack(raw); err != nil {
		t.Fatal(err)
	}
	return got.Answer
}

// TestDefeat: of two who probe for one name at once, just one goes first.
func TestDefeat(t *testing.T) {
	t.Parallel()
	a, b, c := thing("box"), thing("box"), thing("other")
	b.Port++
	at := func(s Service) packet { return packet{msg: probe(s, link("192.0.2.5/24"))} }
	if !loses(a, at(b)) || loses(b, at(a)) || loses(a, at(a)) || loses(a, at(c)) {
		t.Error(loses(a, at(b)), loses(b, at(a)), loses(a, at(a)), loses(a, at(c)))
	}
}

// TestTextGoesThrough: any text arrives as it was, over the wire.
func TestTextGoesThrough(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := thing(rapid.StringN(1, -1, maxLabel).Filter(func(s string) bool { return s != "" }).Draw(t, "instance"))
		want.Text = rapid.SliceOfN(rapid.StringN(1, -1, 255), 0, 5).Draw(t, "text")
		m := response()
		m.Answer = want.all(link("192.0.2.5/24"))
		raw, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser(kind)
		var got dns.Msg
		if err := got.Unpack(raw); err != nil {
			t.Fatal(err)
		}
		b.learn(packet{msg: &got})
		found := b.found()
		if len(found) != 1 || found[0].Instance != want.Instance || !slices.Equal(found[0].Text, want.Text) || found[0].Host != "box-thing.local" {
			t.Fatalf("%+v became %+v", want, found)
		}
	})
}

// FuzzMessage: what strangers send breaks nothing, asked or told.
func FuzzMessage(f *testing.F) {
	s, l := thing("box"), link("192.0.2.5/24", "fe80::5/64")
	for _, m := range []*dns.Msg{query("_thing._tcp.local.", dns.TypePTR, dns.ClassINET), probe(s, l), withdrawal(s)(l)} {
		raw, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m dns.Msg
		if m.Unpack(raw) != nil {
			return
		}
		for _, legacy := range []bool{true, false} {
			everybody, asker := reply(s, l, &m, legacy)
			for _, answer := range []*dns.Msg{everybody, asker} {
				if answer == nil {
					continue
				}
				if _, err := answer.Pack(); err != nil {
					t.Error(err)
				}
			}
		}
		p := packet{msg: &m, link: l}
		conflict(s, []Link{l}, m.Answer)
		loses(s, p)
		b := newBrowser(kind)
		b.learn(p)
		b.found()
	})
}

// TestOnANetwork: a service is found under its name, keeps it from others, and is
// gone when it ends.
func TestOnANetwork(t *testing.T) {
	t.Parallel()
	if !nettest.Inside(t) {
		return
	}
	ours := func() ([]Link, error) {
		all, err := Links()
		return slices.DeleteFunc(all, func(l Link) bool { return l.Interface.Name != nettest.Interface }), err
	}
	first := start(t, thing("Dr. Box"), ours)
	if got := <-first.names; got != "Dr. Box" {
		t.Errorf("it is called %q", got)
	}
	links, err := ours()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Dr. Box box-thing.local:4711 10.9.9.1"}
	await(t, links, want)

	rival := thing("Dr. Box")
	rival.Port++
	rival.Retext = func(instance, host string) []string { return []string{"i am " + instance + " at " + host} }
	second := start(t, rival, ours)
	if got := <-second.names; got != "Dr. Box (2)" {
		t.Errorf("the second is called %q", got)
	}
	await(t, links, append(want, "Dr. Box (2) box-thing-2.local:4712 10.9.9.1 i am Dr. Box (2) at box-thing-2"))

	second.end(t)
	await(t, links, want)
	first.end(t)
	await(t, links, nil)
}

// TestAlone: who asks as a plain resolver would, from a port of his own, is answered alone.
func TestAlone(t *testing.T) {
	t.Parallel()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	lo, err := loopback()
	if err != nil {
		t.Fatal(err)
	}
	at := []Link{{Interface: *lo, Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}}
	self := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	c, err := open(udp, self, at) // everybody is itself
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	names := make(chan string, 1)
	done := make(chan error, 1)
	go func() {
		defer c.close()
		done <- announce(ctx, c, thing("box"), func() ([]Link, error) { return at, nil }, func(s Service) { names <- s.Instance })
	}()
	<-names
	answer, err := dns.Exchange(query("_thing._tcp.local.", dns.TypePTR, dns.ClassINET), self.String())
	if err != nil || words(answer) != "PTR/SRV TXT A" {
		t.Errorf("got %v, %v", answer, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type running struct {
	names  chan string
	cancel context.CancelFunc
	done   chan error
}

func start(t *testing.T, s Service, links func() ([]Link, error)) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := running{make(chan string, 4), cancel, make(chan error, 1)}
	go func() {
		r.done <- Announce(ctx, s, links, func(s Service) { r.names <- s.Instance })
	}()
	return r
}

func (r running) end(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}

// await browses until what is found is what is wanted.
func await(t *testing.T, links []Link, want []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for ctx.Err() == nil {
		look, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		found, err := Browse(look, kind, links)
		stop()
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, f := range found {
			line := fmt.Sprintf("%s %s:%d", f.Instance, f.Host, f.Port)
			for _, a := range f.Addrs {
				if a.Is4() {
					line += " " + a.String()
				}
			}
			for _, text := range f.Text {
				if strings.HasPrefix(text, "i am") {
					line += " " + text
				}
			}
			got = append(got, line)
		}
		if cmp.Equal(got, want) {
			return
		}
	}
	t.Fatalf("found %q, want %q", got, want)
}

// loopback is the interface of this machine with itself, whatever the system calls it.
func loopback() (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			return &i, nil
		}
	}
	return nil, errors.New("this machine has no loopback interface")
}
