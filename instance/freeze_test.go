package instance

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSuccessorGoesOn: in each state the successor does what the predecessor
// would have done, at the same time.
func TestSuccessorGoesOn(t *testing.T) {
	t.Parallel()
	for name, fn := range map[string]func(*rig){
		"ready": func(r *rig) {
			r.isReady()
			before := r.state(Ready)
			r.succeed()
			if s := r.state(Ready); s.PID != before.PID || s.ID != before.ID || !s.Since.Equal(before.Since) || r.count() != 1 {
				r.Errorf("%+v became %+v", before, s)
			}
			r.dies(Exit{Code: 3})
			if s := r.state(Starting); s.Restarts != 1 || s.LastExit.Code != 3 || len(r.told()) != 1 || r.deaths[0].Phase != Ready {
				r.Errorf("%+v, %+v", s, r.deaths)
			}
		},
		"starting": func(r *rig) {
			time.Sleep(12 * time.Second)
			r.succeed()
			time.Sleep(7 * time.Second)
			r.state(Starting)
			time.Sleep(1001 * time.Millisecond) // the rest of 20 s
			if s := r.state(BackingOff); s.LastExit.Class != ClassCrash || !strings.Contains(s.Reason, "not ready within 20s") {
				r.Errorf("%+v", s)
			}
		},
		"becomes ready afterwards": func(r *rig) {
			r.succeed()
			r.isReady()
		},
		"backing off": func(r *rig) {
			r.dies(Exit{Code: 3})
			r.isBackingOff(250 * time.Millisecond)
			r.after()
			r.dies(Exit{Code: 3})
			time.Sleep(200 * time.Millisecond)
			r.succeed()
			next := r.state(BackingOff)
			if d := time.Until(next.NextTry); d != 300*time.Millisecond || next.Tries != 2 {
				r.Errorf("next try in %s, %+v", d, next)
			}
			if got := r.after(); got != 300*time.Millisecond {
				r.Errorf("started after %s", got)
			}
			r.dies(Exit{Code: 3})
			r.isBackingOff(time.Second)
		},
		"quarantined later": func(r *rig) {
			for range maxSame - 1 {
				r.isReady()
				r.dies(Exit{Code: 3})
				if r.i.Snapshot().State == BackingOff {
					r.after()
				}
			}
			r.isReady()
			r.succeed()
			r.dies(Exit{Code: 3})
			r.state(Quarantined)
			r.succeed()
			time.Sleep(time.Hour)
			r.state(Quarantined)
			r.setHash("other")
			time.Sleep(recheck)
			r.state(Starting)
		},
		"blocked": func(r *rig) {
			r.isReady()
			r.fail(errTest, nil)
			r.dies(Exit{Code: 3})
			r.state(Blocked)
			r.succeed()
			r.state(Blocked)
			r.fail(nil, nil)
			time.Sleep(recheck)
			r.state(Starting)
		},
		"draining for a successor": func(r *rig) {
			r.isReady()
			r.last().rude()
			go func() { _ = r.i.Restart(r.Context()) }()
			synctest.Wait()
			time.Sleep(4 * time.Second)
			r.succeed()
			r.state(Draining)
			time.Sleep(6*time.Second + time.Millisecond) // the rest of the grace
			if s := r.state(Starting); s.LastExit.Class != ClassKilled || r.count() != 2 {
				r.Errorf("%+v", s)
			}
		},
		"draining for good": func(r *rig) {
			r.isReady()
			r.last().rude()
			go func() { _ = r.i.Stop(r.Context()) }()
			synctest.Wait()
			r.succeed()
			r.last().end(Exit{})
			r.state(Stopped)
			r.succeed()
			time.Sleep(time.Hour)
			r.state(Stopped)
			if r.count() != 1 {
				r.Errorf("%d starts", r.count())
			}
		},
		"unhealthy": func(r *rig) {
			r.isReady()
			r.last().rude()
			r.probes(errMute, nil)
			time.Sleep(2*defaultProbeEvery + time.Millisecond)
			r.state(Unhealthy)
			r.succeed()
			time.Sleep(defaultProbeEvery + time.Millisecond)
			if s := r.state(Unhealthy); !strings.HasPrefix(s.Reason, "hung: 3 liveness") {
				r.Errorf("%+v", s)
			}
			r.succeed()
			r.probes(nil, nil)
			time.Sleep(dumpTime)
			if s := r.state(Starting); s.LastExit.Class != ClassCrash || !r.told()[0].Dumped {
				r.Errorf("%+v, %+v", s, r.deaths)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { bubble(t, fn) })
	}
}

func (r *rig) isBackingOff(want time.Duration) {
	r.Helper()
	s := r.state(BackingOff)
	if d := time.Until(s.NextTry); d != want {
		r.Errorf("next try in %s, want %s", d, want)
	}
}

// TestDeathWhileFrozen: it is noticed by whoever goes on.
func TestDeathWhileFrozen(t *testing.T) {
	bubble(t, func(r *rig) {
		r.isReady()
		if _, err := r.i.Freeze(r.Context()); err != nil {
			r.Fatal(err)
		}
		r.dies(Exit{Code: 3})
		time.Sleep(time.Hour)
		r.state(Ready)
		r.i.Thaw()
		if s := r.state(Starting); s.Restarts != 1 || r.count() != 2 {
			r.Errorf("%+v, %d starts", s, r.count())
		}
	})
}

// TestLostChildIsReplaced: a child that could not be adopted counts as gone.
func TestLostChildIsReplaced(t *testing.T) {
	bubble(t, func(r *rig) {
		r.isReady()
		f, err := r.i.Freeze(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		r.i.thaw <- false
		<-r.done
		r.stop()
		r.last().end(Exit{})
		f.Child.Pipe.Close()
		f.Child.Output.Close()
		r.o.Adopt = &Adopted{Frozen: f}
		r.run()
		r.state(Starting)
		if r.count() != 2 {
			r.Errorf("%d starts", r.count())
		}
		r.isReady()
	})
}

// TestFreezeIsRefused: what cannot be stopped keeps the instance as it was.
func TestFreezeIsRefused(t *testing.T) {
	bubble(t, func(r *rig) {
		r.isReady()
		r.keepBusy = make(chan struct{})
		r.dies(Exit{Code: 3}) // its black box is not closed yet
		r.isReady()
		if _, err := r.i.Freeze(r.Context()); err == nil || !strings.Contains(err.Error(), "still being put in order") {
			r.Errorf("got %v", err)
		}
		r.state(Ready)
		close(r.keepBusy)
		synctest.Wait()
		if _, err := r.i.Freeze(r.Context()); err != nil {
			r.Error(err)
		}
		r.i.Thaw()
		r.dies(Exit{Code: 3})
		r.stop()
		<-r.done
		if _, err := r.i.Freeze(r.Context()); !errors.Is(err, errEnded) {
			r.Errorf("after the end: %v", err)
		}
	})
}

// TestRestIsCarriedOver: the beginning of a line goes from one to the other.
func TestRestIsCarriedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []string
		r := newRig(t, func(o *Options) {
			o.Waits = never{}
			o.Output = func(begun []byte) Intake {
				got = append(got, string(begun))
				return begunIntake{begun: append(begun, 'x')}
			}
		})
		r.isReady()
		r.succeed()
		if _, err := r.i.Freeze(r.Context()); err != nil {
			t.Fatal(err)
		}
		r.i.Thaw()
		synctest.Wait()
		if want := []string{"", "x", "xx"}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		r.end()
	})
}

// never finds nothing readable.
type never struct{}

func (never) Await(*os.File, func()) (func() bool, error) { return func() bool { return true }, nil }

// begunIntake has read the beginning of a line.
type begunIntake struct {
	fakeIntake
	begun []byte
}

func (i begunIntake) End() ([]byte, error) { return i.begun, nil }
