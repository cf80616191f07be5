package instance

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// modelTransitions is how many transitions TestModel makes.
const modelTransitions = 100_000

// TestModel drives instances with random events. Whatever comes, they keep at
// most one child, follow the table of states, and a stop leaves none behind. In
// so many steps every arrow of the table is met, so one that is missing fails
// here, and one that is too many does as well.
func TestModel(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	total := 0
	for seed := uint64(0); total < modelTransitions && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			events := rand.New(rand.NewPCG(seed, 0))
			for range 300 {
				r.event(events)
				r.invariants()
			}
			r.end()
			last := Stopped
			for _, s := range r.history {
				if s.State != last {
					seen[fmt.Sprintf("%s -> %s", last, s.State)]++
					total++
				}
				last = s.State
			}
		})
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}
	want := map[string]int{}
	for _, from := range States() {
		for _, to := range Next(from) {
			want[fmt.Sprintf("%s -> %s", from, to)]++
		}
	}
	for _, arrow := range slices.Sorted(maps.Keys(want)) {
		if seen[arrow] == 0 {
			t.Errorf("never seen in %d transitions: %s", total, arrow)
		}
	}
	for _, arrow := range slices.Sorted(maps.Keys(seen)) {
		if want[arrow] == 0 {
			t.Errorf("not in the table: %s", arrow)
		}
	}
}

// event lets one thing happen.
func (r *rig) event(events *rand.Rand) {
	synctest.Wait()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := r.i.Snapshot()
	alive := s.State.HasChild()
	switch n := events.IntN(17); {
	case n <= 1 && alive:
		r.ready.came(s.ID)
	case n == 2 && alive:
		r.last().end(Exit{Code: []int{0, 3, 75, 77, 78}[events.IntN(5)]})
	case n == 3 && alive:
		r.last().end(Exit{Code: -1, Signal: "SIGKILL", OOM: events.IntN(2) == 0})
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
		go func() { _ = r.i.Restart(ctx) }()
	case n == 7:
		if r.flip(&r.prepare); events.IntN(3) > 0 {
			r.flip(&r.precheck)
		}
	case n == 8:
		r.flip(&r.live)
	case n == 9:
		r.flip(&r.serving)
	case n == 10 && alive:
		r.last().rude()
		go func() { _ = r.i.Stop(ctx) }()
	case n == 11:
		go func() { _ = r.i.Recycle(ctx, s.ID, "recycled") }()
	case n == 12 && events.IntN(8) == 0:
		_ = r.i.Condemn(ctx, s.ID, "condemned") // there may be nobody
	case n == 13:
		r.mu.Lock()
		r.hash = fmt.Sprint(events.IntN(3))
		r.degraded = []string{"", "degraded"}[events.IntN(2)]
		r.mu.Unlock()
	case n == 14 && s.State != Ready: // a series of deaths
		for range MaxTries {
			if r.i.Snapshot().State.HasChild() {
				r.last().end(Exit{Code: 1})
			}
			if r.i.Snapshot().State == BackingOff {
				time.Sleep(lastDelay)
			}
			synctest.Wait()
		}
	case n == 15 && alive && events.IntN(8) == 0: // a long series of deaths of those that had been ready
		unhealthy := events.IntN(2) == 0
		r.probes(nil, nil)
		for range maxSame {
			s := r.i.Snapshot()
			if s.State == Starting {
				r.ready.came(s.ID)
				synctest.Wait()
			}
			if unhealthy {
				r.probes(nil, errTest)
				time.Sleep(defaultProbeEvery)
				synctest.Wait()
			}
			if r.i.Snapshot().State.HasChild() {
				r.last().end(Exit{Code: 3})
			}
			synctest.Wait()
			if r.i.Snapshot().State == BackingOff {
				time.Sleep(lastDelay)
				synctest.Wait()
			}
		}
	case n == 16 && events.IntN(2) == 0:
		r.succeed()
	case n == 16:
		if _, err := r.i.Freeze(r.Context()); err != nil {
			r.Error(err)
		}
		if alive && events.IntN(2) == 0 {
			r.last().end(Exit{Code: 3}) // nobody looks
		}
		r.i.Thaw()
	case s.State == Blocked || s.State == Quarantined: // looked at each second, so longer is only more of the same
		time.Sleep(recheck)
	default:
		time.Sleep([]time.Duration{time.Millisecond, time.Second, 15 * time.Second, 2 * time.Minute}[events.IntN(4)])
	}
	synctest.Wait()
}

// flip makes *err an error, or none if it is one.
func (r *rig) flip(err *error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if *err == nil {
		*err = errTest
	} else {
		*err = nil
	}
}

func (r *rig) invariants() {
	s := r.i.Snapshot()
	living := 0
	r.mu.Lock()
	for _, p := range r.started[max(0, len(r.started)-5):] {
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

// TestTable: what the design says of the states and the model does not show.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, s := range States() {
		if len(Next(s)) == 0 || slices.Contains(Next(s), s) {
			t.Errorf("%s: next are %v", s, Next(s))
		}
		if strings.ToLower(string(s)) != string(s) {
			t.Errorf("%s is not lower case", s)
		}
	}
}
