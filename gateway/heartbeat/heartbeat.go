// Package heartbeat owns when an agent wakes by itself: the schedule, the wish to
// wake it now, and what came of the last time. It runs no agent: in this version
// nobody does, and a heartbeat that comes due says so.
package heartbeat

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
	"github.com/coderclaw/coderclaw/internal/gather"
)

// Why a heartbeat is skipped.
const (
	reasonDisabled = "disabled" // by the config or by set-heartbeats
	reasonNoAgent  = "no-agent" // this version runs none
)

// gathering is for how long wishes to wake are gathered: those that come together
// make one heartbeat.
const gathering = 250 * time.Millisecond

// Schedule is what the config says of heartbeats.
type Schedule struct {
	Every       string        // as a person wrote it
	Pause       time.Duration // what Every means; 0: never
	Prompt      string        // what the agent is told
	Target      string        // where its answer goes
	AckMaxChars int           // longest answer that counts as nothing to report
}

// Prompt is what an agent is told when the config does not say.
const Prompt = "Read HEARTBEAT.md in the workspace if there is one, and do what it asks. If nothing needs attention, answer HEARTBEAT_OK."

// Queue is where notes for the agent wait; package sysevents provides it.
type Queue interface {
	Add(text string)
	List() []string
}

// Feature answers for the heartbeats of one gateway. It is safe for concurrent use.
type Feature struct {
	schedule Schedule
	queue    Queue
	tell     func(protocol.HeartbeatEvent) // everybody
	woken    gather.Notes                  // somebody wants a heartbeat now
	turned   gather.Notes                  // enabled may have changed

	mu      sync.Mutex // guards what follows
	enabled bool
	last    *protocol.HeartbeatEvent
}

// New returns the feature; heartbeats come due while Run runs.
func New(s Schedule, queue Queue, tell func(protocol.HeartbeatEvent)) *Feature {
	return &Feature{schedule: s, queue: queue, tell: tell, enabled: true, woken: gather.New(), turned: gather.New()}
}

// Heartbeat is that of the agent as it is now.
func (f *Feature) Heartbeat() protocol.AgentHeartbeat {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := protocol.AgentHeartbeat{Enabled: f.enabled && f.schedule.Pause > 0, Every: f.schedule.Every, Prompt: f.schedule.Prompt,
		Target: f.schedule.Target, AckMaxChars: f.schedule.AckMaxChars}
	if f.schedule.Pause > 0 {
		ms := f.schedule.Pause.Milliseconds()
		h.EveryMs = &ms
	}
	return h
}

// Queued is what waits to be told to the agent, the oldest first.
func (f *Feature) Queued() []string { return f.queue.List() }

// Run lets heartbeats come due until ctx ends: one each pause, counted from the
// start or from when they were enabled last, and one for wishes that come together.
func (f *Feature) Run(ctx context.Context) {
	var woken sync.WaitGroup
	defer woken.Wait()
	woken.Go(func() { f.woken.Run(ctx, gathering, f.beat) })
	var due <-chan time.Time
	var ticker *time.Ticker
	defer func() {
		if ticker != nil {
			ticker.Stop()
		}
	}()
	for {
		switch on := f.Heartbeat().Enabled; {
		case on && ticker == nil:
			ticker = time.NewTicker(f.schedule.Pause)
			due = ticker.C
		case !on && ticker != nil:
			ticker.Stop()
			ticker, due = nil, nil
		}
		select {
		case <-ctx.Done():
			return
		case <-f.turned:
		case <-due:
			f.beat()
		}
	}
}

// beat is one heartbeat. It leaves what is queued for the agent where it is.
func (f *Feature) beat() {
	e := protocol.HeartbeatEvent{TS: time.Now().UnixMilli(), Status: protocol.HeartbeatSkipped, Reason: reasonNoAgent}
	if !f.Heartbeat().Enabled {
		e.Reason = reasonDisabled
	}
	f.mu.Lock()
	f.last = &e
	f.mu.Unlock()
	f.tell(e)
}

// Register adds the methods last-heartbeat, set-heartbeats and wake.
func (f *Feature) Register(m *rpc.Mux) {
	rpc.HandleLoose(m, "last-heartbeat", rpc.ScopeRead, func(context.Context, *rpc.Session, protocol.Empty) (*protocol.HeartbeatEvent, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.last, nil
	})
	rpc.HandleLoose(m, "set-heartbeats", rpc.ScopeAdmin, f.set)
	rpc.Handle(m, "wake", rpc.ScopeWrite, f.wake)
}

// set counts until the gateway ends; what the config says is for the next start.
func (f *Feature) set(_ context.Context, _ *rpc.Session, p protocol.SetHeartbeatsParams) (protocol.SetHeartbeatsResult, error) {
	if p.Enabled == nil {
		return protocol.SetHeartbeatsResult{}, protocol.Invalid("invalid set-heartbeats params: enabled (boolean) required")
	}
	f.mu.Lock()
	f.enabled = *p.Enabled
	f.mu.Unlock()
	f.turned.Note()
	return protocol.SetHeartbeatsResult{OK: true, Enabled: *p.Enabled}, nil
}

func (f *Feature) wake(_ context.Context, _ *rpc.Session, p protocol.WakeParams) (protocol.OK, error) {
	if strings.TrimSpace(p.Text) == "" {
		return protocol.OK{}, nil
	}
	f.queue.Add(p.Text)
	if p.Mode == protocol.WakeNow {
		f.woken.Note()
	}
	return protocol.OK{OK: true}, nil
}
