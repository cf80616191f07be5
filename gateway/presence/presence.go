// Package presence owns the list of programs that are, or were until lately,
// connected to the gateway, and the method that shows it.
package presence

import (
	"cmp"
	"context"
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

// Store holds the entries. It is safe for concurrent use.
type Store struct {
	self Self
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	entries map[string]protocol.PresenceEntry
	version int64
}

// New returns a store that holds the gateway's own entry.
func New(self Self, now func() time.Time) *Store {
	return &Store{self: self, now: now, entries: map[string]protocol.PresenceEntry{}, version: 1}
}

// Version counts the changes, from 1.
func (p *Store) Version() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version
}

// Tracked tells whether a client has an entry: calls of the CLI come and go too fast for one.
func Tracked(c protocol.ClientInfo) bool { return c.Mode != "cli" }

func key(s *rpc.Session) string {
	return strings.ToLower(cmp.Or(s.DeviceID, s.Client.InstanceID, s.ID))
}

// Connected notes a client that has been let in.
func (p *Store) Connected(s *rpc.Session) { p.note(s, "connect") }

// Disconnected notes that a client has gone.
func (p *Store) Disconnected(s *rpc.Session) { p.note(s, "disconnect") }

func (p *Store) note(s *rpc.Session, reason string) {
	if !Tracked(s.Client) {
		return
	}
	host := cmp.Or(s.Client.DisplayName, s.Client.ID)
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.entries[key(s)]
	p.entries[key(s)] = protocol.PresenceEntry{
		Host: host, IP: s.RemoteIP, Version: s.Client.Version, Platform: s.Client.Platform,
		DeviceFamily: s.Client.DeviceFamily, ModelIdentifier: s.Client.ModelIdentifier, Mode: s.Client.Mode,
		DeviceID: s.DeviceID, InstanceID: cmp.Or(s.DeviceID, s.Client.InstanceID), Reason: reason,
		Roles: union(old.Roles, []string{s.Role}), Scopes: union(old.Scopes, s.Scopes),
		Text: fmt.Sprintf("Node: %s · mode %s", host, s.Client.Mode), TS: p.now().UnixMilli(),
	}
	p.version++
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// List returns the entries, the newest first, the gateway's own with the time of now.
func (p *Store) List() []protocol.PresenceEntry {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now().UnixMilli()
	out := []protocol.PresenceEntry{{
		Host: p.self.Host, IP: p.self.Host, Version: p.self.Version, Platform: p.self.Platform,
		DeviceFamily: p.self.DeviceFamily, ModelIdentifier: p.self.Arch, Mode: "gateway", Reason: "self", TS: now,
		Text: fmt.Sprintf("Gateway: %s (%s) · app %s · mode gateway · reason self", p.self.Host, p.self.Host, p.self.Version),
	}}
	for k, e := range p.entries {
		if now-e.TS > ttl.Milliseconds() {
			delete(p.entries, k)
			continue
		}
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b protocol.PresenceEntry) int { return cmp.Compare(b.TS, a.TS) })
	return out[:min(len(out), maxEntries)]
}

// Register adds the method system-presence.
func (p *Store) Register(m *rpc.Mux) {
	rpc.HandleLoose(m, "system-presence", rpc.ScopeRead, func(context.Context, *rpc.Session, protocol.Empty) ([]protocol.PresenceEntry, error) {
		return p.List(), nil
	})
}
