package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"

	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/ledger"
	"github.com/coderclaw/coderclaw/internal/prochandle"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// endStrays ends what the gateways of old have started and what has left their
// process groups: it carries the random id of the start, which only the record
// names, so nothing is guessed. What may not be ended is in the error.
func (t *trees) endStrays(ctx context.Context, profile string, old []ledger.Entry) error {
	var tags []string
	for _, e := range old {
		tags = append(tags, handoff.EnvInstance+"="+e.Instance)
	}
	for {
		found, err := proctable.WithEnv(tags)
		if err != nil {
			return err
		}
		// Whoever starts a supervisor from within what a gateway has left is not to end by that.
		maps.DeleteFunc(found, func(pid int, _ uint64) bool { return proctable.IsDescendant(os.Getpid(), pid) })
		if len(found) == 0 {
			return nil
		}
		var errs []error
		for pid, start := range found {
			t.s.o.Log.Warn("ends what an earlier supervisor left behind", "profile", profile, "pid", pid)
			errs = append(errs, endStray(ctx, pid, start))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if ctx.Err() != nil { // they breed faster than they are killed
			return fmt.Errorf("%d processes that a gateway left behind: %w", len(found), context.Cause(ctx))
		}
	}
}

func endStray(ctx context.Context, pid int, start uint64) error {
	h, err := prochandle.Open(pid, start)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err = h.Kill(); err == nil {
		err = h.Wait(ctx)
	}
	return errors.Join(err, h.Close())
}

// forget takes out of the record what has ended with an earlier supervisor. What
// cannot be written now is with the next start.
func (u *unit) forget(old []ledger.Entry) {
	instances := make([]string, len(old))
	for i, e := range old {
		instances[i] = e.Instance
	}
	_ = u.ledger.Remove(instances...) // the file only says more than it must
}
