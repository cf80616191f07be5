package instance

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var errMute = errors.New("no answer")

// TestHangIsDumpedThenKilled: three misses in a row ask for the stacks, and what
// ignores even that is killed.
func TestHangIsDumpedThenKilled(t *testing.T) {
	bubble(t, func(r *rig) {
		r.isReady()
		r.last().rude()
		r.probes(errMute, nil)
		time.Sleep(2*defaultProbeEvery + time.Second)
		if s := r.state(Unhealthy); s.Reason != "it does not answer (2 of 3): no answer" {
			r.Errorf("%+v", s)
		}
		r.probes(nil, nil)
		time.Sleep(defaultProbeEvery)
		r.state(Ready)
		r.probes(errMute, nil)
		time.Sleep(3 * defaultProbeEvery)
		r.state(Unhealthy)
		if asked, killed := r.last().fate(); killed || !slices.Equal(asked, []os.Signal{syscall.SIGQUIT}) {
			r.Errorf("asked with %v, killed %v", asked, killed)
		}
		r.probes(nil, nil)
		time.Sleep(dumpTime)
		s := r.state(Starting)
		if s.LastExit.Class != ClassCrash || r.count() != 2 {
			r.Errorf("%+v, %d starts", s.LastExit, r.count())
		}
		r.isReady()
		if len(r.told()) != 1 || !r.deaths[0].Dumped || r.deaths[0].Phase != Unhealthy || !strings.HasPrefix(r.deaths[0].Reason, "hung: 3 liveness probes") {
			r.Errorf("%+v", r.deaths)
		}
	})
}

// TestReadinessNeverKills: who answers may say for ever that it wants no clients.
func TestReadinessNeverKills(t *testing.T) {
	bubble(t, func(r *rig) {
		r.isReady()
		r.probes(nil, errors.New("draining"))
		time.Sleep(time.Hour)
		if s := r.state(Unhealthy); s.Reason != "it wants no clients: draining" || r.count() != 1 {
			r.Errorf("%+v", s)
		}
		if err := r.i.Start(r.Context()); err != nil {
			r.Error(err)
		}
		r.probes(nil, nil)
		time.Sleep(defaultProbeEvery)
		r.state(Ready)
	})
}

// TestDegraded: a child that runs on its last good config is replaced as soon as
// the real one is good, and not before.
func TestDegraded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.end()
		r.fail(nil, errTest)
		r.mu.Lock()
		r.degraded = "line 4 is wrong"
		r.mu.Unlock()
		r.dies(Exit{Code: -1, Signal: "SIGKILL"})
		time.Sleep(time.Second)
		r.isReady()
		if s := r.i.Snapshot(); s.Degraded != "line 4 is wrong" || s.Reason != s.Degraded {
			r.Errorf("%+v", s)
		}
		time.Sleep(time.Hour)
		r.state(Ready)
		if err := r.i.Restart(r.Context()); err != errTest {
			r.Errorf("restarted onto a broken config: %v", err)
		}
		r.fail(nil, nil)
		r.mu.Lock()
		r.degraded = ""
		r.mu.Unlock()
		time.Sleep(recheck)
		r.isReady()
		if s := r.i.Snapshot(); s.Degraded != "" || r.count() != 3 {
			r.Errorf("%+v, %d starts", s, r.count())
		}
	})
}

func TestRecycleAndCondemn(t *testing.T) {
	bubble(t, func(r *rig) {
		first := r.state(Starting).ID
		if err := r.i.Recycle(r.Context(), first, "not yet"); err != nil || r.count() != 1 {
			r.Errorf("%v, %d starts", err, r.count())
		}
		r.isReady()
		done := make(chan error, 1)
		go func() { done <- r.i.Recycle(r.Context(), first, "it takes 500 MB") }()
		r.isReady()
		if err := <-done; err != nil || r.count() != 2 || len(r.wishes) != 0 {
			r.Errorf("%v, %d starts, recorded %v", err, r.count(), r.wishes)
		}
		// What was found out of a child that has gone meanwhile is not held against another.
		if err := errors.Join(r.i.Recycle(r.Context(), first, "late"), r.i.Condemn(r.Context(), first, "late")); err != nil {
			r.Error(err)
		}
		second := r.state(Ready).ID
		if err := r.i.Condemn(r.Context(), second, "it took 2 GB"); err != nil {
			r.Error(err)
		}
		if s := r.state(Starting); s.LastExit.Class != ClassOOM {
			r.Errorf("%+v", s.LastExit)
		}
		if len(r.told()) != 1 || r.deaths[0].Reason != "it took 2 GB" {
			r.Errorf("%+v", r.deaths)
		}
	})
}

func TestRestartWhileStarting(t *testing.T) {
	bubble(t, func(r *rig) {
		done := make(chan error, 1)
		go func() { done <- r.i.Restart(r.Context()) }()
		synctest.Wait()
		r.mu.Lock()
		asked, _ := r.started[0].fate()
		r.mu.Unlock()
		if !slices.Equal(asked, []os.Signal{term}) {
			r.Errorf("asked with %v", asked)
		}
		r.isReady()
		if err := <-done; err != nil || r.count() != 2 {
			r.Errorf("%v, %d starts", err, r.count())
		}
	})
}
