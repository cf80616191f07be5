// Package gather owns how many notes that something has happened become few calls.
// What has happened is for its users to know.
package gather

import (
	"context"
	"time"
)

// Notes are notes that wait for a call. New makes them. They are safe for concurrent use.
type Notes chan struct{}

// New returns Notes without one.
func New() Notes { return make(Notes, 1) }

// Note leaves a note, and never waits.
func (n Notes) Note() {
	select {
	case n <- struct{}{}:
	default: // one is waiting already
	}
}

// Run calls do until ctx ends: once for all notes that come within delay of the first.
func (n Notes) Run(ctx context.Context, delay time.Duration, do func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
		select {
		case <-n: // left meanwhile, so this call is for it too
		default:
		}
		do()
	}
}
