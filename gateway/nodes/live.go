package nodes

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// live is the set of connected nodes.
type live struct {
	mu        sync.Mutex // guards what follows
	bySession map[*rpc.Session]*node
	byID      map[string][]*node // of several with one id the latest counts
}

// node is one connection of a node.
type node struct {
	id      string
	session *rpc.Session
	since   time.Time
	greeted chan struct{} // closed once it may be sent something
	gone    chan struct{} // closed when it has left
}

func newLive() *live { return &live{bySession: map[*rpc.Session]*node{}, byID: map[string][]*node{}} }

// Join notes a client in the role node. Greeted is to be called once it has its
// hello, and Leave when it has gone.
func (f *Feature) Join(s *rpc.Session) {
	n := &node{id: cmp.Or(s.DeviceID, s.Client.ID), session: s, since: f.now(), greeted: make(chan struct{}), gone: make(chan struct{})}
	f.live.mu.Lock()
	defer f.live.mu.Unlock()
	f.live.bySession[s] = n
	f.live.byID[n.id] = append(f.live.byID[n.id], n)
}

// Greeted lets events be sent to a node that has joined.
func (f *Feature) Greeted(s *rpc.Session) {
	if n := f.live.of(s); n != nil {
		close(n.greeted)
	}
}

// Leave forgets a node that has joined, if it has; who waits for it is told.
func (f *Feature) Leave(s *rpc.Session) {
	l := f.live
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.bySession[s]
	if n == nil {
		return
	}
	close(n.gone)
	delete(l.bySession, s)
	rest := slices.DeleteFunc(slices.Clone(l.byID[n.id]), func(other *node) bool { return other == n })
	if len(rest) == 0 {
		delete(l.byID, n.id)
		return
	}
	l.byID[n.id] = rest
}

// Offer is what a client that connects in the role node may do of what it declares.
func (f *Feature) Offer(p protocol.ConnectParams) protocol.NodeOffer {
	return protocol.NodeOffer{Caps: p.Caps, Commands: f.policy.Filter(p.Client, p.Commands), Permissions: p.Permissions, PathEnv: p.PathEnv}
}

// of returns the node that a session is, nil if it is none.
func (l *live) of(s *rpc.Session) *node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bySession[s]
}

// get returns a connected node, nil when there is none of that id.
func (l *live) get(id string) *node {
	l.mu.Lock()
	defer l.mu.Unlock()
	if all := l.byID[id]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

func (l *live) list() []protocol.Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []protocol.Node
	for id, all := range l.byID {
		n := all[len(all)-1]
		c := n.session.Client
		out = append(out, protocol.Node{NodeID: id, DisplayName: c.DisplayName, Platform: c.Platform, Version: c.Version, DeviceFamily: c.DeviceFamily,
			ModelIdentifier: c.ModelIdentifier, RemoteIP: n.session.RemoteIP, Caps: sorted(n.session.Offer.Caps), Commands: sorted(n.session.Offer.Commands),
			PathEnv: n.session.Offer.PathEnv, Permissions: maps.Clone(n.session.Offer.Permissions), ConnectedAtMs: n.since.UnixMilli(), Connected: true})
	}
	return out
}

// sorted returns each of the texts once.
func sorted(texts []string) []string {
	out := append([]string{}, texts...)
	slices.Sort(out)
	return slices.Compact(out)
}
