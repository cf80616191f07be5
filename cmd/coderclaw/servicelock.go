package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/profiles"
)

// lockWait is how long a verb waits for another one, or a repair, to be done with
// the same service.
const lockWait = 30 * time.Second

// lockService keeps others from changing the profile's service until unlock is
// called. A repair by doctor takes the same lock.
func lockService(ctx context.Context, p profiles.Profile) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock, err := doctor.Lock(ctx, p)
	if _, held := errors.AsType[*lockfile.HeldError](err); held {
		return nil, exitcode.With(exitcode.Busy, fmt.Errorf("another command is changing the service of profile %s; waited %s for it: %w", p.Name, lockWait, err))
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil // nothing was written through it
}
