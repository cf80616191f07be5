// Package health owns what the gateway says of its own health: the methods
// health and status, and the payload of the health event.
package health

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// Fresh is how long a summary is answered from memory.
const Fresh = 60 * time.Second

// agentID is the one agent that exists.
const agentID = "main"

// Channels says what channels there are; the channels feature provides it.
type Channels interface {
	Health() (channels map[string]protocol.ChannelHealth, order []string, labels map[string]string)
}

// Others says which other profiles are in trouble; the rescue feature provides it.
type Others interface {
	Siblings(ctx context.Context) protocol.Siblings
}

// Agent says when the agent wakes by itself, and what waits to be told to it.
type Agent interface {
	Heartbeat() protocol.AgentHeartbeat
	Queued() []string
}

// Sources are the features that health tells of.
type Sources struct {
	Channels Channels
	Agent    Agent
	Others   Others // nil for a gateway that is to know nothing of others
}

// Feature holds the last summary. It is safe for concurrent use.
type Feature struct {
	stateDir string
	from     Sources
	asked    func() // told when somebody's question made a new summary
	now      func() time.Time

	mu       sync.Mutex // guards what follows; held while a summary is made, so that those who ask at once share it
	identity protocol.Identity
	encoded  json.RawMessage
	told     news // in encoded
	made     time.Time
	version  int64
}

// news is what makes a summary outdated however young it is.
type news struct {
	others protocol.Siblings
	beats  protocol.AgentHeartbeat
}

// New returns the feature; the first summary is made when it is asked for. asked is
// called, possibly at once from many goroutines, when a call of the method health has
// made a new summary.
func New(identity protocol.Identity, stateDir string, from Sources, asked func(), now func() time.Time) *Feature {
	return &Feature{identity: identity, stateDir: stateDir, from: from, asked: asked, now: now, version: 1}
}

// Published notes what became of publishing the gateway, for the next summary.
func (f *Feature) Published(t protocol.Tailscale) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.identity.Tailscale = &t
	f.encoded = nil
}

// Siblings are the other profiles that are in trouble, none where nobody knows.
func (f *Feature) Siblings(ctx context.Context) protocol.Siblings {
	if f.from.Others == nil {
		return protocol.Siblings{}
	}
	return f.from.Others.Siblings(ctx)
}

// Summary returns the encoded summary and its version, a new one if the last is
// no longer fresh, other profiles are in other trouble, heartbeats were switched, or
// probe is set.
func (f *Feature) Summary(ctx context.Context, probe bool) (json.RawMessage, int64, error) {
	others := f.Siblings(ctx) // without the lock, for it may take seconds
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.summaryLocked(probe, others)
}

// Glance is Summary with what was last known of other profiles: it never waits.
func (f *Feature) Glance() (json.RawMessage, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.summaryLocked(false, f.told.others)
}

func (f *Feature) summaryLocked(probe bool, others protocol.Siblings) (json.RawMessage, int64, error) {
	start := f.now()
	told := news{others, f.from.Agent.Heartbeat()}
	if !probe && f.encoded != nil && start.Sub(f.made) < Fresh && reflect.DeepEqual(told, f.told) {
		return f.encoded, f.version, nil
	}
	h, err := f.make(start, told)
	if err != nil {
		return nil, 0, err
	}
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, 0, fmt.Errorf("health: %w", err)
	}
	f.encoded, f.told, f.made = raw, told, start
	f.version++
	return raw, f.version, nil
}

// Cached returns the last summary, nil when there is none yet, and its version.
func (f *Feature) Cached() (json.RawMessage, int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.encoded, f.version
}

func (f *Feature) make(start time.Time, told news) (protocol.HealthSummary, error) {
	sessions, err := f.sessions()
	if err != nil {
		return protocol.HealthSummary{}, err
	}
	channels, order, labels := f.from.Channels.Health()
	identity := f.identity
	identity.Siblings = told.others
	seconds := int64(0)
	if told.beats.Enabled {
		seconds = *told.beats.EveryMs / 1000
	}
	return protocol.HealthSummary{
		OK: true, TS: start.UnixMilli(), DurationMs: f.now().Sub(start).Milliseconds(),
		Channels: channels, ChannelOrder: order, ChannelLabels: labels, HeartbeatSeconds: seconds, DefaultAgentID: agentID,
		Agents:   []protocol.AgentHealth{{AgentID: agentID, IsDefault: true, Heartbeat: told.beats, Sessions: sessions}},
		Sessions: sessions, Coderclaw: &identity,
	}, nil
}

// sessions counts the transcripts of the agent.
func (f *Feature) sessions() (protocol.SessionsHealth, error) {
	dir := filepath.Join(f.stateDir, "agents", agentID, "sessions")
	s := protocol.SessionsHealth{Path: filepath.Join(dir, "sessions.json"), Recent: []protocol.SessionBrief{}}
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return s, fmt.Errorf("sessions: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".jsonl") {
			s.Count++
		}
	}
	return s, nil
}

// Register adds the methods health and status.
func (f *Feature) Register(m *rpc.Mux) {
	rpc.HandleLoose(m, "health", rpc.ScopeRead, func(ctx context.Context, _ *rpc.Session, p protocol.HealthParams) (rpc.Encoded[protocol.HealthSummary], error) {
		_, before := f.Cached()
		raw, version, err := f.Summary(ctx, p.Probe)
		if err == nil && version != before {
			f.asked()
		}
		return rpc.Encoded[protocol.HealthSummary]{JSON: raw}, err
	})
	rpc.HandleLoose(m, "status", rpc.ScopeRead, f.status)
	if f.from.Others != nil {
		m.Waits("health", "status") // others are asked about
	}
}

// status hides paths from those who may not administer.
func (f *Feature) status(ctx context.Context, s *rpc.Session, _ protocol.Empty) (protocol.StatusSummary, error) {
	sessions, err := f.sessions()
	if err != nil {
		return protocol.StatusSummary{}, err
	}
	beats := f.from.Agent.Heartbeat()
	out := protocol.StatusSummary{
		Heartbeat: protocol.StatusHeartbeat{DefaultAgentID: agentID, Agents: []protocol.StatusAgentHeartbeat{
			{AgentID: agentID, Enabled: beats.Enabled, Every: beats.Every, EveryMs: beats.EveryMs}}},
		ChannelSummary:     []string{},
		QueuedSystemEvents: f.from.Agent.Queued(),
		Sessions: protocol.StatusSessions{
			Paths: []string{sessions.Path}, Count: sessions.Count, Recent: []protocol.SessionBrief{},
			ByAgent: []protocol.StatusByAgent{{AgentID: agentID, Path: sessions.Path, Count: sessions.Count, Recent: []protocol.SessionBrief{}}},
		},
	}
	_, order, labels := f.from.Channels.Health()
	for _, id := range order {
		out.ChannelSummary = append(out.ChannelSummary, labels[id]+": configured")
	}
	f.mu.Lock()
	own := protocol.StatusOwn{Tailscale: f.identity.Tailscale}
	f.mu.Unlock()
	if own.Siblings = f.Siblings(ctx); own.Tailscale != nil || len(own.Siblings.Siblings) > 0 || own.Unseen != "" {
		out.Coderclaw = &own
	}
	if !s.Has(rpc.ScopeAdmin) {
		out.Sessions.Paths = []string{}
		out.Sessions.ByAgent[0].Path = "[redacted]"
	}
	return out, nil
}
