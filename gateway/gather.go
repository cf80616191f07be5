package gateway

import (
	"context"
	"time"
)

// gather turns many notes into few calls. note never waits and is safe for
// concurrent use.
type gather chan struct{}

func newGather() gather { return make(gather, 1) }

func (g gather) note() {
	select {
	case g <- struct{}{}:
	default: // one is waiting already
	}
}

// run calls do until ctx ends: once for all notes that come within delay of the first.
func (g gather) run(ctx context.Context, delay time.Duration, do func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
		select {
		case <-g:
		default:
		}
		do()
	}
}
