package health_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/channels"
	"github.com/coderclaw/coderclaw/gateway/health"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// trouble is what is known of other profiles.
type trouble struct{ now protocol.Siblings }

func (t *trouble) Siblings(context.Context) protocol.Siblings { return t.now }

// agent wakes every minute and has one note waiting.
type agent struct{ asleep bool }

func (a agent) Heartbeat() protocol.AgentHeartbeat {
	every := int64(60_000)
	return protocol.AgentHeartbeat{Enabled: !a.asleep, Every: "1m", EveryMs: &every}
}

func (agent) Queued() []string { return []string{"a note"} }

func summary(t *testing.T, f *health.Feature, probe bool) (protocol.HealthSummary, int64) {
	t.Helper()
	raw, version, err := f.Summary(t.Context(), probe)
	if err != nil {
		t.Fatal(err)
	}
	var h protocol.HealthSummary
	if err := json.Unmarshal(raw, &h); err != nil {
		t.Fatal(err)
	}
	return h, version
}

// TestSummary: a fresh summary is answered from memory; age, a probe and other
// trouble elsewhere each make a new one.
func TestSummary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Unix(1000, 0)
	clock := func() time.Time { return now }
	others := &trouble{}
	beats := &agent{}
	f := health.New(protocol.Identity{Profile: "dev", Instance: "i"}, dir, health.Sources{Channels: channels.New(func() int { return 0 }, clock), Agent: beats, Others: others}, nil, clock)
	if raw, _ := f.Cached(); raw != nil {
		t.Errorf("a summary before anybody asked: %s", raw)
	}
	first, version := summary(t, f, false)
	if !first.OK || first.Sessions.Count != 0 || first.Coderclaw.Profile != "dev" || first.Coderclaw.Instance != "i" || len(first.Channels) != 1 {
		t.Errorf("%+v", first)
	}
	sessions := filepath.Join(dir, "agents", "main", "sessions")
	if err := os.MkdirAll(sessions, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.jsonl", "b.jsonl", "sessions.json"} {
		if err := os.WriteFile(filepath.Join(sessions, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(health.Fresh - time.Millisecond)
	if h, v := summary(t, f, false); v != version || h.Sessions.Count != 0 {
		t.Errorf("a fresh one was made anew: version %d, %+v", v, h.Sessions)
	}
	if h, v := summary(t, f, true); v != version+1 || h.Sessions.Count != 2 {
		t.Errorf("a probe: version %d, %+v", v, h.Sessions)
	}
	now = now.Add(health.Fresh)
	if _, v := summary(t, f, false); v != version+2 {
		t.Errorf("an old one was kept: version %d", v)
	}
	others.now.Unseen = "a supervisor does not answer"
	if _, v, err := f.Glance(); v != version+2 || err != nil {
		t.Errorf("a glance asked others: version %d, %v", v, err)
	}
	if h, v := summary(t, f, false); v != version+3 || h.Coderclaw.Unseen != others.now.Unseen {
		t.Errorf("trouble elsewhere: version %d, %+v", v, h.Coderclaw)
	}
	if h, _ := summary(t, f, false); h.HeartbeatSeconds != 60 || !h.Agents[0].Heartbeat.Enabled {
		t.Errorf("heartbeats: %+v", h)
	}
	beats.asleep = true
	if h, v := summary(t, f, false); v != version+4 || h.HeartbeatSeconds != 0 || h.Agents[0].Heartbeat.Enabled || *h.Agents[0].Heartbeat.EveryMs != 60_000 {
		t.Errorf("heartbeats that were switched off: version %d, %+v", v, h)
	}
}

// TestUnreadableSessions: what cannot be read is an error and not nothing.
func TestUnreadableSessions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "agents", "main"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "agents", "main", "sessions"), nil, 0o600); err != nil { // no directory
		t.Fatal(err)
	}
	f := health.New(protocol.Identity{}, dir, health.Sources{Channels: channels.New(func() int { return 0 }, time.Now), Agent: agent{}}, nil, time.Now)
	if _, _, err := f.Summary(t.Context(), false); err == nil {
		t.Error("a file in the place of the sessions went unnoticed")
	}
}
