package supervisor

import (
	"context"
	"fmt"
	"time"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

// memoryEvery is how often the memory of a gateway with a budget is looked at.
const memoryEvery = 5 * time.Second

// watchMemory holds the gateway of u to its budget until ctx ends: above the soft
// one it is drained and replaced, above the hard one killed. Where the kernel
// enforces the hard one it is faster.
func (s *Supervisor) watchMemory(ctx context.Context, u *unit) {
	l := u.profile.Limits
	tick := time.NewTicker(s.o.MemoryEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		id := u.instance.Snapshot().ID // before it is measured: what is done then is done to no other
		used := u.memory()
		if used == 0 {
			continue // it has just ended
		}
		var err error
		switch {
		case l.MemoryHard != 0 && used > l.MemoryHard:
			err = u.instance.Condemn(ctx, id, fmt.Sprintf("it took %s of memory, more than its hard budget of %s", size(used), size(l.MemoryHard)))
		case l.MemorySoft != 0 && used > l.MemorySoft:
			why := fmt.Sprintf("it takes %s of memory, more than its soft budget of %s", size(used), size(l.MemorySoft))
			s.o.Log.Warn("the gateway is replaced", "profile", u.profile.Name, "reason", why)
			err = u.instance.Recycle(ctx, id, why)
		}
		if err != nil && ctx.Err() == nil {
			s.o.Log.Warn("memory budget", "profile", u.profile.Name, "err", err)
		}
	}
}

// memory is what the child of u and all that it has started take, in bytes; 0
// when no child lives or it cannot be told.
func (u *unit) memory() int64 { return memories([]*unit{u})[u] }

// memories is the memory of each unit: 0 when no child lives, and none when it
// cannot be told. It looks at the process table once at most.
func memories(units []*unit) map[*unit]int64 {
	out := make(map[*unit]int64, len(units))
	pids := map[*unit]int{}
	var roots []int
	for _, u := range units {
		u.mu.Lock()
		leaf := u.leaf
		u.mu.Unlock()
		if leaf != nil {
			if n, err := leaf.MemoryCurrent(); err == nil {
				out[u] = int64(n)
				continue
			}
		}
		if pid := u.instance.Snapshot().PID; pid != 0 {
			pids[u] = pid
			roots = append(roots, pid)
			continue
		}
		out[u] = 0
	}
	if len(roots) == 0 {
		return out
	}
	below, err := proctable.Trees(roots)
	if err != nil {
		return out
	}
	for u, pid := range pids {
		for _, p := range below[pid] {
			if _, rss, _, err := proctable.Usage(p); err == nil {
				out[u] += rss
			}
		}
	}
	return out
}

func size(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }
