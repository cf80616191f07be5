//go:build !linux

package prochandle

import (
	"context"
	"fmt"
	"time"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

// pollEvery is how often a process that is about to end is looked at.
const pollEvery = 10 * time.Millisecond

func (h *Handle) poll(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for proctable.Alive(h.pid, h.start) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for pid %d: %w", h.pid, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}
