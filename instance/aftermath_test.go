package instance

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestAftermathWaitsForTheSuccessor: until it is ready or will not be, and not for ever.
func TestAftermathWaitsForTheSuccessor(t *testing.T) {
	told := func(r *rig, want int) {
		r.Helper()
		synctest.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.deaths) != want {
			r.Errorf("told of %d deaths, want %d", len(r.deaths), want)
		}
	}
	bubble(t, func(r *rig) {
		r.isReady()
		r.dies(Exit{Code: 3})
		r.state(Starting)
		time.Sleep(aftermath - time.Millisecond)
		told(r, 0)
		r.isReady()
		told(r, 1)
		r.dies(Exit{Code: -1, Signal: "SIGKILL"})
		r.state(Starting)
		told(r, 1)
		time.Sleep(aftermath)
		told(r, 2)
		r.dies(Exit{Code: 3})
		r.state(BackingOff)
		told(r, 3)
	})
}
