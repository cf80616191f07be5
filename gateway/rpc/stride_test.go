package rpc

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestStridesShare: the more clients keep their goroutines busy, the longer each of them
// rests, so that together they do not take all processors.
func TestStridesShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many = 10
		rests := make(chan time.Duration, many)
		var busy sync.WaitGroup
		for range many {
			busy.Go(func() {
				var s stride
				s.step()
				time.Sleep(longStride) // it computes
				begin := time.Now()
				s.step()
				rests <- time.Since(begin)
			})
		}
		busy.Wait()
		close(rests)
		var sum time.Duration
		for r := range rests {
			if r < rest {
				t.Errorf("rested for %s", r)
			}
			sum += r
		}
		if least := many*rest + many*(many-1)/2*longStride; sum < least { // goroutines of other tests may rest as well
			t.Errorf("rested for %s together, want at least %s", sum, least)
		}
		var s stride
		s.step()
		time.Sleep(longStride)
		s.waits()
		begin := time.Now()
		if s.step(); time.Since(begin) != 0 {
			t.Error("rests although it has waited")
		}
	})
}
