// Package ticket owns how a browser on this machine gets in without pairing: the
// tickets that the same user's command gets over a unix socket, each good for one
// use, and the cookie that a browser gets for one. It serves no page and decides on
// no handshake.
package ticket

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// life is how long a ticket is good for: a browser may have to start first.
	life = 60 * time.Second
	// remembered is how long after that it is still known what became of it.
	remembered = 10 * time.Minute
	// kept bounds the tickets that are known; the oldest are forgotten first.
	kept = 64
)

// Refusal says why a ticket lets nobody in, in words for the person who followed it.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// The refusals that depend on nothing else.
const (
	unknown Refusal = "This link is not known to this gateway. It may have been made before the gateway last started."
	used    Refusal = "This link has been used already. Each works once."
	late    Refusal = "This link is too old. Each works for one minute."
)

// Office issues tickets and takes them back. It is safe for concurrent use.
type Office struct {
	profile string
	now     func() time.Time

	mu      sync.Mutex // guards what follows
	tickets map[digest]*record
}

// digest stands for a ticket, so that to look one up takes a time that tells nothing of others.
type digest = [sha256.Size]byte

type record struct {
	origin  string
	expires time.Time
	used    chan struct{} // closed once it has let somebody in
}

func (r *record) isUsed() bool {
	select {
	case <-r.used:
		return true
	default:
		return false
	}
}

// NewOffice returns the office of the gateway of a profile, "" for one of no profile.
func NewOffice(profile string, now func() time.Time) *Office {
	return &Office{profile: profile, now: now, tickets: map[digest]*record{}}
}

// Issue makes a ticket for pages of origin, as in http://127.0.0.1:18789. The name of the
// profile stands in front of its 32 random bytes, so that another gateway can say whose it is.
func (o *Office) Issue(origin string) (text string, expires time.Time) {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	text = o.profile + "." + base64.RawURLEncoding.EncodeToString(raw[:])
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	maps.DeleteFunc(o.tickets, func(_ digest, r *record) bool { return now.Sub(r.expires) > remembered })
	for len(o.tickets) >= kept {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(o.tickets)), func(a, b digest) int {
			return o.tickets[a].expires.Compare(o.tickets[b].expires)
		})
		delete(o.tickets, oldest)
	}
	expires = now.Add(life)
	o.tickets[sha256.Sum256([]byte(text))] = &record{origin: origin, expires: expires, used: make(chan struct{})}
	return text, expires
}

// Redeem takes a ticket that a page of origin shows; nil means that whoever shows it is
// the user who asked for it. A refusal uses no ticket up.
func (o *Office) Redeem(text, origin string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.tickets[sha256.Sum256([]byte(text))]
	switch {
	case !ok:
		if profile, _, found := strings.Cut(text, "."); found && profile != o.profile && len(profile) <= 32 {
			return Refusal(fmt.Sprintf("This link is for the gateway of profile %q, and this is the gateway of profile %q.", profile, o.profile))
		}
		return unknown
	case r.isUsed():
		return used
	case o.now().After(r.expires):
		return late
	case r.origin != origin:
		return Refusal(fmt.Sprintf("This link was made for %s, and this page is at %s.", r.origin, origin))
	}
	close(r.used)
	return nil
}

// watch returns the channel that is closed when the ticket is used, and for how long it
// is still good; false when there is no such ticket.
func (o *Office) watch(text string) (used <-chan struct{}, left time.Duration, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.tickets[sha256.Sum256([]byte(text))]
	if !ok {
		return nil, 0, false
	}
	return r.used, r.expires.Sub(o.now()), true
}
