package supervisor

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/internal/reaper"
)

// orphans are the children that have ended and of which something may be left that
// has come to this process. The zero value lacks hurry. It is safe for concurrent use.
type orphans struct {
	hurry chan struct{} // closed when all ends: one look is enough for all

	mu  sync.Mutex // guards what follows
	of  []*treeProcess
	due bool // somebody is about to look
}

// orphanWait is how long what is left of a child goes on, so that one look is
// enough for many children and none competes with the start of a successor.
const orphanWait = 50 * time.Millisecond

// endOrphans, where there is a reaper, soon ends what came to us of p: what is in its process group or has
// its variable. What has shed both cannot be told from what others have left, and
// stays until all end.
func (t *trees) endOrphans(p *treeProcess) {
	o := &t.orphans
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of = append(o.of, p)
	if o.due {
		return
	}
	o.due = true
	t.background.Go(func() {
		timer := time.NewTimer(orphanWait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-o.hurry:
		}
		t.endOrphansOf(o.take())
	})
}

func (o *orphans) take() []*treeProcess {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.of
	o.of, o.due = nil, false
	return list
}

func (t *trees) endOrphansOf(list []*treeProcess) {
	select {
	case <-t.orphans.hurry:
		return // endAll ends all
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	err := t.reaper.End(ctx, func(o reaper.Orphan) bool {
		return slices.ContainsFunc(list, func(p *treeProcess) bool {
			return o.PGID == p.PID() || p.tag != "" && proctable.HasEnv(o.PID, p.tag)
		})
	})
	if err != nil {
		var names []string
		for _, p := range list {
			names = append(names, p.u.profile.Name)
		}
		t.s.o.Log.Error("something that gateways started is left", "profiles", names, "err", err)
		return
	}
	for _, p := range list {
		p.u.ledger.Settle(p.instance())
	}
}
