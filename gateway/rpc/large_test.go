package rpc

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestLargeInTurns: large messages wait for each other; who is slow loses its place to one that
// waits, and nobody else does.
func TestLargeInTurns(t *testing.T) {
	t.Parallel()
	sessions := map[string]*Session{}
	for _, name := range []string{"slow", "fast", "next", "gone"} {
		sessions[name], _ = session(t, quiet(&Mux{}))
	}
	synctest.Test(t, func(t *testing.T) {
		for _, s := range sessions {
			s.finished = make(chan struct{}) // of the bubble
		}
		l := newLarge(slog.New(slog.DiscardHandler))
		slow := l.enter(sessions["slow"])
		fast := l.enter(sessions["fast"])
		gone := make(chan *turn)
		go func() { gone <- l.enter(sessions["gone"]) }()
		synctest.Wait()
		close(sessions["gone"].finished)
		if <-gone != nil {
			t.Error("a place for one that has gone")
		}
		time.Sleep(time.Hour)
		if sessions["slow"].ended() {
			t.Error("closed although nobody waits")
		}
		fast.bytes.Store(3600 * minRate * 2)
		next := make(chan *turn)
		go func() { next <- l.enter(sessions["next"]) }()
		synctest.Wait()
		if len(l.places) != maxLarge || sessions["slow"].ended() {
			t.Error("closed without patience")
		}
		time.Sleep(largePatience)
		synctest.Wait()
		if !sessions["slow"].ended() || sessions["fast"].ended() {
			t.Errorf("ended: slow %v, fast %v", sessions["slow"].ended(), sessions["fast"].ended())
		}
		l.leave(slow) // where it is read from
		last := <-next
		l.leave(fast)
		l.leave(last)
		sessions["slow"].patience.Stop()
		if len(l.places) != 0 || len(l.turns) != 0 {
			t.Errorf("%d places are taken", len(l.places))
		}
	})
}

// TestLargeIsGivenBack: what large messages took goes back to the system once no more
// come, and not before.
func TestLargeIsGivenBack(t *testing.T) {
	t.Parallel()
	s, _ := session(t, quiet(&Mux{}))
	synctest.Test(t, func(t *testing.T) {
		s.finished = make(chan struct{}) // of the bubble
		l := newLarge(slog.New(slog.DiscardHandler))
		trims := 0
		l.trim = func() { trims++ }
		wait := func(d time.Duration, want int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if trims != want {
				t.Errorf("given back %d times, want %d", trims, want)
			}
		}
		one := l.enter(s)
		other := l.enter(s)
		l.leave(one)
		wait(time.Hour, 0)
		l.leave(other)
		wait(largeQuiet-1, 0)
		next := l.enter(s)
		wait(time.Hour, 0)
		l.leave(next)
		wait(largeQuiet, 1)
		wait(time.Hour, 1)
	})
}
