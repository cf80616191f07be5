package rpc

import (
	"runtime"
	"sync/atomic"
	"time"
)

// How long a goroutine may go on without ever waiting, and for how long it rests then. The
// runtime asks what has come on other connections when it has nothing else to run, and apart from
// that only every 10 ms. So the more of them rest, the longer: together they leave it something of
// two processors.
const (
	longStride = 200 * time.Microsecond
	rest       = 50 * time.Microsecond
	longest    = time.Millisecond // of a stride, for the rest after it: one that took more was kept waiting for a processor
)

// resting is how many goroutines rest now.
var resting atomic.Int32

// stride is the time that a goroutine has gone on without waiting. The zero value is ready.
type stride struct{ since time.Time }

// step lets others go first; it is to be called by who may go on for long, now and then.
func (s *stride) step() {
	if s.since.IsZero() {
		s.since = time.Now()
	}
	took := time.Since(s.since)
	if took < longStride {
		runtime.Gosched()
		return
	}
	others := resting.Add(1) - 1
	time.Sleep(rest + time.Duration(others)*min(took, longest))
	resting.Add(-1)
	s.since = time.Now()
}

// waits notes that the goroutine is about to wait.
func (s *stride) waits() { s.since = time.Time{} }
