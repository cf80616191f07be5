package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
// called. A repair by doctor takes the same lock. It needs the rights of whoever the
// state dir belongs to. A profile without a state dir has nothing to lock.
func lockService(ctx context.Context, p profiles.Profile) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if _, err := os.Lstat(p.StateDir); errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	lock, err := doctor.Lock(ctx, p)
	if _, held := errors.AsType[*lockfile.HeldError](err); held {
		return nil, exitcode.With(exitcode.Busy, fmt.Errorf("%w; waited %s for it", err, lockWait))
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil // nothing was written through it
}
