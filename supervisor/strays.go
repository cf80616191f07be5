package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"

	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/ledger"
	"github.com/coderclaw/coderclaw/internal/prochandle"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// strays are what the gateways of an earlier supervisor have started and what has
// left their process groups. Each carries the random id of its gateway, which only
// the record names, so nothing is guessed.
type strays struct {
	s    *Supervisor
	old  []ledger.Entry // of gateways that have ended
	tags []string       // the variables by which those are known
}

// newStrays takes them from the records, before anything is started.
// What a predecessor in this process has handed over lives on.
func (s *Supervisor) newStrays(units []*unit) *strays {
	st := &strays{s: s}
	for _, u := range units {
		if u.adopted != nil {
			continue
		}
		st.old = append(st.old, u.ledger.Entries()...)
	}
	for _, e := range st.old {
		st.tags = append(st.tags, handoff.EnvInstance+"="+e.Instance)
	}
	return st
}

// end ends them all. What may not be ended is told and left.
func (st *strays) end(ctx context.Context) {
	if len(st.tags) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	for {
		found, err := proctable.WithEnv(st.tags)
		// Whoever starts a supervisor from within what a gateway has left is not to end by that.
		maps.DeleteFunc(found, func(pid int, _ uint64) bool { return proctable.IsDescendant(os.Getpid(), pid) })
		if len(found) == 0 && err == nil {
			return
		}
		if err == nil && ctx.Err() != nil { // they breed faster than they are killed
			err = context.Cause(ctx)
		}
		for pid, start := range found {
			st.s.o.Log.Warn("ends what an earlier supervisor left behind", "pid", pid)
			err = errors.Join(err, endStray(ctx, pid, start))
		}
		if err != nil {
			st.s.o.Log.Warn("something that the gateways of an earlier supervisor started is left", "err", err)
			return
		}
	}
}

// straggle is after what time it is looked again for what was between two
// processes at the first look.
const straggle = time.Second

// endLate looks once more, and then takes what has ended out of the records.
func (st *strays) endLate(ctx context.Context) {
	if len(st.tags) == 0 {
		return
	}
	timer := time.NewTimer(straggle)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	st.end(context.WithoutCancel(ctx))
	for _, u := range st.s.set.list() {
		for _, e := range st.old {
			_ = u.ledger.Remove(e.Instance) // a file that cannot be written only says more than it must
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
	if err != nil {
		err = fmt.Errorf("pid %d: %w", pid, err)
	}
	return errors.Join(err, h.Close())
}
