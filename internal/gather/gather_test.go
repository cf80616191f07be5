package gather

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGather: many notes at once make one call, a later one makes another, and
// without notes nothing happens.
func TestGather(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		g, calls := New(), atomic.Int32{}
		go g.Run(ctx, time.Second, func() { calls.Add(1) })
		wait := func(d time.Duration, want int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if got := calls.Load(); int(got) != want {
				t.Errorf("%d calls, want %d", got, want)
			}
		}
		wait(time.Hour, 0)
		for range 1000 {
			g.Note()
		}
		wait(999*time.Millisecond, 0)
		g.Note()
		wait(time.Millisecond, 1)
		wait(time.Hour, 1)
		g.Note()
		wait(time.Second, 2)
	})
}
