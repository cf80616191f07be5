// Package presence owns the list of programs that are, or were until lately,
// connected to the gateway or heard of, and the methods that show it and add to it.
package presence

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

const (
	ttl        = 5 * time.Minute // after which an entry that says nothing is dropped
	maxEntries = 200
)

// Self describes the gateway itself, whose entry is always there.
type Self struct{ Host, Version, Platform, DeviceFamily, Arch string }

// Store holds the entries, and each of them encoded: it is asked for all of them at every
// connect. It is safe for concurrent use.
type Store struct {
	self Self
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	entries map[string]protocol.PresenceEntry
	order   []encoded // one for each entry, the oldest first; fewer than maxEntries
	version int64
}

// encoded is an entry in JSON.
type encoded struct {
	key string
	raw []byte
}

// New returns a store that holds the gateway's own entry.
func New(self Self, now func() time.Time) *Store {
	return &Store{self: self, now: now, entries: map[string]protocol.PresenceEntry{}, version: 1}
}

// Host is the name of the gateway's machine.
func (p *Store) Host() string { return p.self.Host }

// Version counts the changes, from 1.
func (p *Store) Version() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version
}

// Tracked tells whether a client has an entry: calls of the CLI come and go too fast for one.
func Tracked(c protocol.ClientInfo) bool { return c.Mode != "cli" }

func key(s *rpc.Session) string {
	return strings.ToLower(cmp.Or(s.DeviceID, short(s.Client.InstanceID, maxField), s.ID))
}

// Connected notes a client that has been let in.
func (p *Store) Connected(s *rpc.Session) { p.note(s, "connect") }

// Disconnected notes that a client has gone.
func (p *Store) Disconnected(s *rpc.Session) { p.note(s, "disconnect") }

func (p *Store) note(s *rpc.Session, reason string) {
	if !Tracked(s.Client) {
		return
	}
	c, k := s.Client, key(s)
	for _, text := range []*string{&c.DisplayName, &c.Version, &c.Platform, &c.DeviceFamily, &c.ModelIdentifier, &c.InstanceID} {
		*text = short(*text, maxField)
	}
	host := cmp.Or(c.DisplayName, c.ID)
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.entries[k]
	p.putLocked(k, protocol.PresenceEntry{
		Host: host, IP: s.RemoteIP, Version: c.Version, Platform: c.Platform,
		DeviceFamily: c.DeviceFamily, ModelIdentifier: c.ModelIdentifier, Mode: c.Mode,
		DeviceID: s.DeviceID, InstanceID: cmp.Or(s.DeviceID, c.InstanceID), Reason: reason,
		Roles: union(old.Roles, []string{s.Role}), Scopes: union(old.Scopes, few(s.Scopes)),
		Text: fmt.Sprintf("Node: %s · mode %s", host, c.Mode), TS: p.now().UnixMilli(), LastInputSeconds: old.LastInputSeconds, Tags: old.Tags,
	})
}

// putLocked makes e the newest entry, in place of another of its key, and drops the
// oldest where there are too many. p.mu must be held.
func (p *Store) putLocked(key string, e protocol.PresenceEntry) {
	raw, _ := json.Marshal(e) // strings and numbers always can be
	if i := slices.IndexFunc(p.order, func(l encoded) bool { return l.key == key }); i >= 0 {
		p.order = slices.Delete(p.order, i, i+1)
	}
	p.entries[key] = e
	p.order = append(p.order, encoded{key, raw})
	if len(p.order) >= maxEntries {
		p.dropLocked(1)
	}
	p.version++
}

// dropLocked forgets the n oldest entries. p.mu must be held.
func (p *Store) dropLocked(n int) {
	for _, l := range p.order[:n] {
		delete(p.entries, l.key)
	}
	p.order = slices.Delete(p.order, 0, n)
}

// union is the texts of both lists in their order, each once, and maxList at most.
func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxList)]
}

// List returns the entries, the newest first, the gateway's own with the time of now.
func (p *Store) List() []protocol.PresenceEntry {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := []protocol.PresenceEntry{p.currentLocked()}
	for _, l := range slices.Backward(p.order) {
		out = append(out, p.entries[l.key])
	}
	return out
}

// Encoded is List in JSON.
func (p *Store) Encoded() json.RawMessage { return p.Append(nil, 0) }

// Append appends List in JSON to b, and leaves room for so many bytes more.
func (p *Store) Append(b []byte, room int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.appendLocked(b, room)
}

// Snapshot is Encoded with the version that it is of.
func (p *Store) Snapshot() (raw json.RawMessage, version int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.appendLocked(nil, 0), p.version
}

func (p *Store) appendLocked(b []byte, room int) []byte {
	self, _ := json.Marshal(p.currentLocked()) // strings and numbers always can be
	size := len(self) + 2
	for _, l := range p.order {
		size += len(l.raw) + 1
	}
	b = slices.Grow(b, size+room)
	b = append(append(b, '['), self...)
	for _, l := range slices.Backward(p.order) {
		b = append(append(b, ','), l.raw...)
	}
	return append(b, ']')
}

// currentLocked drops entries that have said nothing for too long and returns the
// gateway's own. p.mu must be held.
func (p *Store) currentLocked() protocol.PresenceEntry {
	now := p.now().UnixMilli()
	old := slices.IndexFunc(p.order, func(l encoded) bool { return now-p.entries[l.key].TS <= ttl.Milliseconds() })
	if old < 0 {
		old = len(p.order)
	}
	p.dropLocked(old)
	return protocol.PresenceEntry{
		Host: p.self.Host, IP: p.self.Host, Version: p.self.Version, Platform: p.self.Platform,
		DeviceFamily: p.self.DeviceFamily, ModelIdentifier: p.self.Arch, Mode: "gateway", Reason: "self", TS: now,
		Text: fmt.Sprintf("Gateway: %s (%s) · app %s · mode gateway · reason self", p.self.Host, p.self.Host, p.self.Version),
	}
}

// Register adds the method system-presence.
func (p *Store) Register(m *rpc.Mux) {
	rpc.HandleLoose(m, "system-presence", rpc.ScopeRead, func(context.Context, *rpc.Session, protocol.Empty) (rpc.Encoded[[]protocol.PresenceEntry], error) {
		return rpc.Encoded[[]protocol.PresenceEntry]{JSON: p.Encoded()}, nil
	})
}
