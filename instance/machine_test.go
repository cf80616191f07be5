package instance

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

func bubble(t *testing.T, fn func(*rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.end()
		fn(r)
	})
}

// after measures how long the bubble's clock runs until the next start.
func (r *rig) after() time.Duration {
	r.Helper()
	before, begin := r.count(), time.Now()
	for r.count() == before {
		if time.Since(begin) > time.Hour {
			r.Fatal("no start within an hour")
		}
		time.Sleep(time.Millisecond) // of the bubble: it costs no time
		synctest.Wait()
	}
	return time.Since(begin).Round(10 * time.Millisecond)
}

func TestDeathAfterReadyRestartsAtOnceOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.isReady()
		r.dies(Exit{Code: 3})
		s := r.state(Starting)
		if r.count() != 2 || s.Restarts != 1 || s.LastExit.Class != ClassCrash || s.LastExit.Fast || s.PID != 1001 {
			r.Errorf("%d starts, %+v", r.count(), s)
		}
		for _, want := range []time.Duration{250, 500, 1000, 2000} {
			r.isReady()
			r.dies(Exit{Code: 3})
			r.state(BackingOff)
			if got := r.after(); got != want*time.Millisecond {
				r.Errorf("started after %s, want %s", got, want*time.Millisecond)
			}
		}
		r.isReady()
		time.Sleep(stableAfter + time.Second) // its past is forgotten now
		r.dies(Exit{Code: 3})
		r.state(Starting)
	})
}

func TestDeathBeforeReadyBacksOffThenQuarantines(t *testing.T) {
	bubble(t, func(r *rig) {
		for n, want := range []time.Duration{250, 500, 1000, 2000, 4000, 8000, 16000} {
			r.dies(Exit{Code: 78})
			s := r.state(BackingOff)
			if s.Tries != n+1 || s.LastExit.Class != ClassConfig || !s.LastExit.Fast || !strings.Contains(s.Reason, "exited 78 (config) before it was ready") {
				r.Errorf("%+v", s)
			}
			if left := time.Until(s.NextTry); left != want*time.Millisecond {
				r.Errorf("next try in %s, want %s", left, want*time.Millisecond)
			}
			r.after()
		}
		r.dies(Exit{Code: 78})
		s := r.state(Quarantined)
		if s.Tries != MaxTries || s.Reason != "it died 8 times in a row before it was ready, the last time it exited 78 (config) before it was ready" {
			r.Errorf("%+v", s)
		}
		time.Sleep(24 * time.Hour)
		r.state(Quarantined)
		if r.count() != MaxTries {
			r.Errorf("%d starts", r.count())
		}
		r.setHash("mended")
		time.Sleep(time.Second)
		if s := r.state(Starting); s.Tries != 0 {
			r.Errorf("%+v", s)
		}
	})
}

func TestBackoffEndsAtAMinute(t *testing.T) {
	t.Parallel()
	b := backoff{rand: func() float64 { return 1 }}
	var got []time.Duration
	for range 11 {
		got = append(got, b.next(Exit{Class: ClassCrash, Fast: true}))
	}
	if got[8] != 60*time.Second || got[10] != 60*time.Second {
		t.Errorf("%s", got)
	}
}

func TestStartReleasesFromQuarantine(t *testing.T) {
	bubble(t, func(r *rig) {
		for range MaxTries {
			r.dies(Exit{Code: 1})
			if r.i.Snapshot().State == BackingOff {
				r.after()
			}
		}
		r.state(Quarantined)
		done := make(chan error, 1)
		go func() { done <- r.i.Start(r.Context()) }()
		r.isReady()
		if err := <-done; err != nil {
			r.Error(err)
		}
	})
}

// TestSameDeathsQuarantine: 20 of one class count however far apart, unless what
// is run changes; being killed once ready never does.
func TestSameDeathsQuarantine(t *testing.T) {
	bubble(t, func(r *rig) {
		die := func(n int, e Exit) {
			for range n {
				r.isReady()
				time.Sleep(stableAfter + time.Second)
				r.dies(e)
			}
		}
		die(maxSame, Exit{Code: -1, Signal: "SIGKILL"})
		die(maxSame-2, Exit{Code: 3})
		die(maxSame-1, Exit{Code: -1, Signal: "SIGKILL", OOM: true})
		r.state(Starting)
		r.setHash("other")
		die(maxSame, Exit{Code: 3}) // the first of these still ran the old one
		r.state(Starting)
		die(1, Exit{Code: 3})
		if s := r.state(Quarantined); !strings.HasPrefix(s.Reason, "it died 20 times in the same way") {
			r.Errorf("%+v", s)
		}
	})
}

func TestKilledAfterReadyNeitherCountsNorDelays(t *testing.T) {
	bubble(t, func(r *rig) {
		for range 10 {
			r.isReady()
			r.dies(Exit{Code: -1, Signal: "SIGKILL"})
			if s := r.state(Starting); s.LastExit.Class != ClassKilled {
				r.Errorf("%+v", s.LastExit)
			}
		}
		r.isReady()
		r.dies(Exit{Code: 3}) // the first that counts
		r.state(Starting)
	})
}

func TestStartTimeout(t *testing.T) {
	bubble(t, func(r *rig) {
		r.state(Starting)
		time.Sleep(20*time.Second + 10*time.Millisecond)
		s := r.state(BackingOff)
		if _, killed := r.last().fate(); !killed || s.LastExit.Class != ClassCrash || !strings.Contains(s.Reason, "not ready within 20s") {
			r.Errorf("%+v", s)
		}
	})
}

func TestGraceThenKill(t *testing.T) {
	bubble(t, func(r *rig) {
		r.isReady()
		r.last().rude()
		done := make(chan error)
		go func() { done <- r.i.Stop(r.Context()) }()
		synctest.Wait()
		r.state(Draining)
		if asked, killed := r.last().fate(); killed || len(asked) != 1 || asked[0] != term {
			r.Errorf("asked with %v, killed %v", asked, killed)
		}
		if err := <-done; err != nil {
			r.Error(err)
		}
		s := r.state(Stopped)
		if _, killed := r.last().fate(); !killed || s.LastExit.Class != ClassKilled || s.PID != 0 {
			r.Errorf("%+v", s)
		}
	})
}

func TestStopThatIsOvertaken(t *testing.T) {
	bubble(t, func(r *rig) {
		r.isReady()
		r.last().rude()
		stopped, started := make(chan error, 1), make(chan error, 1)
		go func() { stopped <- r.i.Stop(r.Context()) }()
		synctest.Wait()
		go func() { started <- r.i.Start(r.Context()) }()
		synctest.Wait()
		if err := <-stopped; err == nil || err.Error() != "profile x was started again" {
			r.Errorf("the stop got %v", err)
		}
		r.last().end(Exit{Code: 0})
		r.isReady()
		if err := <-started; err != nil || r.count() != 2 {
			r.Errorf("the start got %v after %d starts", err, r.count())
		}
		if !slices.Equal(r.wishes, []bool{false, true}) {
			r.Errorf("recorded %v", r.wishes)
		}
	})
}

func TestWishThatCannotBeRecorded(t *testing.T) {
	bubble(t, func(r *rig) {
		r.isReady()
		r.wish = errTest
		if err := r.i.Stop(r.Context()); !errors.Is(err, errTest) || !strings.HasPrefix(err.Error(), "it was done, but") {
			r.Errorf("got %v", err)
		}
		r.state(Stopped)
	})
}

func TestBlockedRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.end()
		r.isReady()
		r.fail(&BlockedError{Reason: "port 1 held by pid 2", Class: ClassPort}, nil)
		r.dies(Exit{Code: -1, Signal: "SIGSEGV"})
		s := r.state(Blocked)
		if s.Reason != "port 1 held by pid 2" {
			r.Errorf("%+v", s)
		}
		before := r.tries()
		time.Sleep(5*time.Second + 10*time.Millisecond)
		synctest.Wait()
		if got := r.tries() - before; got != 5 || r.count() != 1 {
			r.Errorf("%d tries and %d starts in 5 s", got, r.count())
		}
		if err := r.i.Start(r.Context()); exitcode.Of(err) != exitcode.Busy || !strings.Contains(err.Error(), "port 1 held by pid 2") {
			r.Errorf("start while blocked: %v", err)
		}
		r.fail(nil, nil)
		time.Sleep(time.Second)
		r.isReady()
	})
}

func TestRestart(t *testing.T) {
	bubble(t, func(r *rig) {
		r.isReady()
		r.fail(nil, errTest)
		if err := r.i.Restart(r.Context()); err != errTest {
			r.Errorf("got %v", err)
		}
		r.state(Ready)
		r.fail(nil, nil)
		r.last().rude() // so that the three come while it drains
		done := make(chan error, 3)
		for range 3 {
			go func() { done <- r.i.Restart(r.Context()) }()
			synctest.Wait()
		}
		r.state(Draining)
		r.dies(Exit{Code: 0})
		r.isReady()
		for range 3 {
			if err := <-done; err != nil {
				r.Error(err)
			}
		}
		if s := r.i.Snapshot(); r.count() != 2 || s.Restarts != 1 || s.Tries != 0 || s.LastExit.Class != ClassClean {
			r.Errorf("%d starts, %+v", r.count(), s)
		}
	})
}

func TestStopAndStart(t *testing.T) {
	bubble(t, func(r *rig) {
		r.dies(Exit{Code: 1})
		r.state(BackingOff)
		if err := r.i.Stop(r.Context()); err != nil {
			r.Error(err)
		}
		r.state(Stopped)
		time.Sleep(time.Hour)
		if r.count() != 1 {
			r.Error("it was started though it was stopped")
		}
		done := make(chan error)
		go func() { done <- r.i.Start(r.Context()) }()
		r.dies(Exit{Code: 77})
		if err := <-done; exitcode.Of(err) != exitcode.Auth || !strings.Contains(err.Error(), "exited 77 (auth) before it was ready") {
			r.Errorf("got %v", err)
		}
		go func() { done <- r.i.Start(r.Context()) }()
		r.isReady()
		if err := <-done; err != nil {
			r.Error(err)
		}
		if err := r.i.Start(r.Context()); err != nil {
			r.Errorf("start of a ready one: %v", err)
		}
	})
}

func TestForeignReadyIsIgnored(t *testing.T) {
	bubble(t, func(r *rig) {
		r.state(Starting)
		r.ready.came("somebody else")
		r.state(Starting)
		r.isReady()
	})
}

func TestEndOfRunEndsTheChild(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.isReady()
		r.last().rude()
		r.end() // after the grace
		if _, killed := r.last().fate(); !killed {
			r.Error("it lives")
		}
		if err := r.i.Start(r.Context()); err == nil {
			r.Error("started after the end")
		}
	})
}
