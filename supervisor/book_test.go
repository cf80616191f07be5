package supervisor

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newBook() *book { return &book{starts: &pending{}, background: &sync.WaitGroup{}} }

// TestRecordsWaitForStarts: none is written while a start is under way, unless that
// takes long, and all are afterwards.
func TestRecordsWaitForStarts(t *testing.T) {
	t.Parallel()
	for _, started := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBook()
			var written atomic.Int32
			b.starts.begin()
			b.starts.begin()
			for range 10 {
				b.add(func() { written.Add(1) })
			}
			b.starts.end()
			synctest.Wait()
			if n := written.Load(); n != 0 {
				t.Errorf("%d written while one is started", n)
			}
			if started {
				b.starts.end()
				synctest.Wait()
			} else {
				time.Sleep(recordWait)
				synctest.Wait()
			}
			if n := written.Load(); n != 10 {
				t.Errorf("%d written of 10", n)
			}
			b.background.Wait()
			b.add(func() { written.Add(1) }) // nobody takes from what waits any more
			if b.background.Wait(); written.Load() != 11 && started {
				t.Error("the next one is not written")
			}
		})
	}
}

// TestRecordOfHangingDisk: it keeps others waiting only for a moment each.
func TestRecordOfHangingDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		release := make(chan struct{})
		for range recorders {
			b.add(func() { <-release })
		}
		var written atomic.Bool
		b.add(func() { written.Store(true) })
		synctest.Wait()
		if written.Load() {
			t.Error("written beside the others")
		}
		time.Sleep(recordWait)
		synctest.Wait()
		if !written.Load() {
			t.Error("not written")
		}
		close(release)
		b.background.Wait()
	})
}

func TestPending(t *testing.T) {
	t.Parallel()
	var p pending
	over := func() bool {
		select {
		case <-p.none():
			return true
		default:
			return false
		}
	}
	for range 2 {
		if !over() {
			t.Error("something is pending")
		}
		p.begin()
		p.begin()
		waiting := p.none()
		p.end()
		if over() {
			t.Error("one is still pending")
		}
		p.end()
		<-waiting
	}
}
