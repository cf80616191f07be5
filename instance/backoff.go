package instance

import "time"

// The delays between starts, see backoff.
const (
	firstDelay = 250 * time.Millisecond
	lastDelay  = 60 * time.Second
	// stableAfter is how long a child must have been ready for its past to be forgotten.
	stableAfter = 60 * time.Second
)

// What puts an instance into quarantine (design: "States of an instance").
const (
	MaxTries = 8  // deaths in a row before ready
	maxSame  = 20 // deaths of one class with the same Hash, however far apart
)

// backoff decides how long to wait before the next start.
type backoff struct {
	rand  func() float64
	count int // deaths that count, since the last stable run
}

// next returns the delay after a death. Being killed once ready says nothing
// about the child, so it neither counts nor delays. The first other death after
// ready restarts at once. Else the bound doubles from firstDelay to lastDelay, and
// the delay is anywhere below it, so that several children do not start together.
func (b *backoff) next(e Exit) time.Duration {
	if !e.Fast && e.Class == ClassKilled {
		return 0
	}
	n := b.count
	b.count++
	if !e.Fast && n == 0 {
		return 0
	}
	if !e.Fast {
		n-- // the one that was free
	}
	bound := lastDelay
	if n < 8 { // 0.25 s · 2^8 is beyond lastDelay
		bound = min(firstDelay<<n, lastDelay)
	}
	return time.Duration(b.rand() * float64(bound))
}

func (b *backoff) reset() { b.count = 0 }
