package instance

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestModel drives an instance with random events. Whatever comes, it keeps at
// most one child, follows the table of states, and a stop leaves none behind.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 40).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.end()
			for _, s := range steps {
				r.event(s)
				r.invariants()
			}
		})
	})
}

func (r *rig) event(n int) {
	synctest.Wait()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	alive := r.i.Snapshot().State.HasChild()
	switch {
	case n == 0 && alive:
		r.ready <- r.i.Snapshot().ID
	case n == 1 && alive:
		r.last().end(Exit{Code: 0})
	case n == 2 && alive:
		r.last().end(Exit{Code: 78})
	case n == 3 && alive:
		r.last().end(Exit{Code: -1, Signal: "SIGKILL"})
	case n == 4:
		go func() { _ = r.i.Start(ctx) }() // given up with the event
	case n == 5:
		if err := r.i.Stop(r.Context()); err != nil {
			r.Error(err)
		}
		if s := r.i.Snapshot(); s.State != Stopped || s.PID != 0 {
			r.Errorf("after stop: %+v", s)
		}
	case n == 6:
		go func() { _ = r.i.Restart(ctx) }() // given up with the event
	case n == 7:
		r.mu.Lock()
		if r.prepare == nil {
			r.prepare = errTest
		} else {
			r.prepare = nil
		}
		r.mu.Unlock()
	case n == 8:
		time.Sleep(time.Second)
	case n == 9:
		time.Sleep(2 * time.Minute)
	}
	synctest.Wait()
}

func (r *rig) invariants() {
	s := r.i.Snapshot()
	living := 0
	r.mu.Lock()
	for _, p := range r.started {
		if _, killed := p.fate(); len(p.exit) == 0 && !killed && p.pid == s.PID {
			living++
		}
	}
	r.mu.Unlock()
	if (s.PID != 0) != s.State.HasChild() || living > 1 || s.PID != 0 && s.PID != r.last().pid {
		r.Errorf("%d living, %+v", living, s)
	}
	if (s.State == BackingOff || s.State == Blocked) == s.NextTry.IsZero() {
		r.Errorf("next try: %+v", s)
	}
}

// TestTable: every state can be left, and what a table of the design forbids is not in it.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, s := range []State{Stopped, Starting, Ready, Unhealthy, Draining, BackingOff, Blocked, Quarantined} {
		if len(next(s)) == 0 {
			t.Errorf("%s cannot be left", s)
		}
	}
	for _, pair := range [][2]State{{Stopped, Ready}, {BackingOff, Ready}, {Draining, Ready}, {Quarantined, Ready}, {Stopped, Draining}} {
		if allowed(pair[0], pair[1]) {
			t.Errorf("%s may follow %s", pair[1], pair[0])
		}
	}
}
