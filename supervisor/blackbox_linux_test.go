package supervisor

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/programtest"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
	"github.com/coderclaw/coderclaw/supervisor/crashes"
)

// crash waits for the black box of a death and returns it, that of the first of several.
func (r *rig) crash(p profiles.Profile) crashes.Record {
	r.t.Helper()
	var list []crashes.Record
	waitFor(r.t, "a black box", func() bool {
		var err error
		if list, err = crashes.Open(p.CrashDir()).List(); err != nil {
			r.t.Fatal(err)
		}
		return len(list) > 0
	})
	return list[len(list)-1]
}

func TestCrashIsKept(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "dev")
	r := supervise(t, ps, nil)
	old := r.allReady().Instances[0]
	if err := syscall.Kill(old.PID, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	box := r.crash(ps[0])
	if box.Profile != "dev" || box.PID != old.PID || box.Phase != "ready" || box.Class != instance.ClassCrash || box.BinaryHash == "" ||
		!strings.Contains(box.Tail, "hello from dev") || box.Dump != "" || box.DumpMissing != "" {
		t.Errorf("%+v", box)
	}
}

// TestHangIsDumped: a gateway that does not answer its probes prints its
// goroutines and is replaced; one that is stopped cannot, which is noted.
func TestHangIsDumped(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{false, true} {
		ps := testProfiles(t, "dev")
		ps[0].Limits = profiles.Limits{ProbeEvery: 20 * time.Millisecond, ProbeMisses: 2}
		var mute atomic.Bool
		r := supervise(t, ps, func(o *Options) {
			check := o.Check
			o.Check = func(ctx context.Context, p profiles.Profile) (Checked, error) {
				c, err := check(ctx, p)
				c.Live = func(context.Context) error {
					if mute.Load() {
						return errors.New("no answer")
					}
					return nil
				}
				return c, err
			}
		})
		old := r.allReady().Instances[0]
		if stopped {
			if err := programtest.Halt(t.Context(), old.PID); err != nil {
				t.Fatal(err)
			}
		}
		mute.Store(true)
		box := r.crash(ps[0])
		mute.Store(false)
		if box.Phase != "unhealthy" || !strings.HasPrefix(box.Reason, "hung: 2 liveness probes in a row were not answered, the last: no answer") {
			t.Errorf("%+v", box)
		}
		if stopped != (box.Dump == "") || stopped != (box.DumpMissing != "") || !stopped && !strings.Contains(box.Dump, "goroutine ") {
			t.Errorf("stopped %v: dump %q, %q", stopped, box.Dump, box.DumpMissing)
		}
		r.until("a successor", func(s control.Status) bool {
			return s.Instances[0].State == instance.Ready && s.Instances[0].PID != old.PID
		})
		r.end()
	}
}

// TestMemoryBudgets: above the soft one a gateway is replaced after its drain,
// above the hard one it is killed for that.
func TestMemoryBudgets(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "dev", "rescue")
	ps[0].Limits = profiles.Limits{MemorySoft: 100 << 20}
	ps[1].Limits = profiles.Limits{MemoryHard: 100 << 20}
	r := supervise(t, ps, func(o *Options) { o.MemoryEvery = 10 * time.Millisecond })
	before := r.allReady()
	for i, class := range []string{instance.ClassClean, instance.ClassOOM} {
		_, _, _ = ask(t.Context(), ps[i].Port, "eat 150") // it may not live to answer
		now := r.until("a successor", func(s control.Status) bool {
			return s.Instances[i].State == instance.Ready && s.Instances[i].PID != before.Instances[i].PID
		}).Instances[i]
		if now.LastExit.Class != class {
			t.Errorf("%s: %+v", now.Profile, now.LastExit)
		}
	}
	if box := r.crash(ps[1]); box.Class != instance.ClassOOM || !strings.Contains(box.Reason, "more than its hard budget of 105 MB") {
		t.Errorf("%+v", box)
	}
}
