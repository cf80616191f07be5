package rpc

import (
	"runtime"
	"time"
)

// How long a goroutine may go on without ever waiting, and for how long it rests then. The
// runtime asks what has come on other connections when it has nothing else to run, and apart from
// that only every 10 ms.
const (
	longStride = 200 * time.Microsecond
	rest       = 50 * time.Microsecond
)

// stride is the time that a goroutine has gone on without waiting. The zero value is ready.
type stride struct{ since time.Time }

// step lets others go first; it is to be called by who may go on for long, now and then.
func (s *stride) step() {
	switch {
	case s.since.IsZero():
		s.since = time.Now()
		runtime.Gosched()
	case time.Since(s.since) < longStride:
		runtime.Gosched()
	default:
		time.Sleep(rest)
		s.since = time.Now()
	}
}

// waits notes that the goroutine is about to wait.
func (s *stride) waits() { s.since = time.Time{} }
