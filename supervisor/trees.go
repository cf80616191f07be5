package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/cgroup"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/ledger"
	"github.com/coderclaw/coderclaw/internal/reaper"
)

// endTime bounds the end of what a child leaves behind: the kernel needs a
// fraction of it.
const endTime = 5 * time.Second

// trees starts children so that everything that they start ends with them: in a
// control group of their own where this process was given one to divide, else by
// process groups and by taking in orphans. It is safe for concurrent use.
type trees struct {
	s      *Supervisor
	forker *instance.Forker
	groups *cgroup.Tree   // nil without delegation
	reaper *reaper.Reaper // nil where the system has no such thing
	How    string         // for people: which of it works here

	without string // why there are no groups

	background sync.WaitGroup // what goes on beside children that start and end
	orphans    orphans
	recording  chan struct{} // holds one for each that writes a record

	forks sync.RWMutex // read-locked from before a fork until the child is known
	mu    sync.Mutex   // guards own; taken after forks
	own   map[int]bool
}

// newTrees finds out what can be had here. It must be called before the first child is started.
func (s *Supervisor) newTrees(forker *instance.Forker) *trees {
	t := &trees{s: s, forker: forker, own: map[int]bool{}, orphans: orphans{hurry: make(chan struct{})}, recording: make(chan struct{}, recorders)}
	var err error
	if in := s.o.Inherited; in != nil {
		t.groups, err = in.adoptTree()
	} else if t.groups, err = cgroup.Detect(s.o.Delegated); err == nil {
		var missing []cgroup.Missing
		missing, err = t.groups.Enter()
		if err != nil {
			err = errors.Join(err, t.groups.Close())
			t.groups = nil
		}
		for _, m := range missing {
			s.o.Log.Info("control groups lack a controller", "controller", m.Controller, "why", m.Why)
		}
	}
	t.How = "a control group for each gateway"
	if err != nil {
		t.without = err.Error()
		t.How = "process groups: " + t.without
	}
	if !s.o.Orphans {
		return t
	}
	if t.reaper, err = reaper.Start(t.owns, s.o.Log); err != nil {
		t.reaper = nil
		t.How += "; and orphans do not come to the supervisor: " + err.Error()
	}
	return t
}

func (t *trees) close() error {
	if t.groups == nil {
		return nil
	}
	return t.groups.Close()
}

// ending has what is left of single children wait for endAll.
func (t *trees) ending() { close(t.orphans.hurry) }

// endAll ends every orphan, when no child lives any more.
func (t *trees) endAll() error {
	t.background.Wait()
	if t.reaper == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	return t.reaper.End(ctx, nil)
}

func (t *trees) owns(pid int) bool {
	t.forks.Lock() // no child is between its fork and being known
	defer t.forks.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.own[pid]
}

// endSurvivors ends what an earlier supervisor of u has left, and nothing that
// does not match its record in full.
func (t *trees) endSurvivors(ctx context.Context, u *unit) error {
	left, err := u.ledger.Survivors()
	if err != nil || len(left) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	for _, e := range left {
		t.s.o.Log.Warn("ends what an earlier supervisor left behind", "profile", e.Profile, "pid", e.PID, "started", e.StartedAt)
	}
	left, err = u.ledger.End(ctx, left)
	if len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("profile %s: pid %d of an earlier supervisor does not end", u.profile.Name, left[0].PID))
	}
	return err
}

// starter starts the children of one unit.
type starter struct {
	t *trees
	u *unit
}

// Start starts a child and writes down that it has.
func (st starter) Start(ctx context.Context, spec instance.StartSpec) (instance.Process, error) {
	t := st.t
	p := &treeProcess{t: t, u: st.u}
	for _, kv := range spec.Env {
		if strings.HasPrefix(kv, handoff.EnvInstance+"=") {
			p.tag = kv
		}
	}
	if t.groups != nil {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer cancel()
		var err error
		if p.leaf, err = t.groups.Leaf(bounded, st.u.profile.Name); err != nil {
			return nil, err
		}
		if _, err := p.leaf.SetLimits(st.u.limits()); err != nil {
			return nil, err
		}
		if spec.Group, err = p.leaf.FD(); err != nil {
			return nil, err
		}
		defer spec.Group.Close()
	}
	var err error
	if p.Process, err = t.fork(ctx, spec); err != nil {
		return nil, errors.Join(err, p.remove())
	}
	st.u.setLeaf(p.leaf)
	t.background.Go(func() { t.inTurn(p.record) }) // until it is written down, the child's own watch over us has to do
	return p, nil
}

// fork starts a process that is known to be ours. Starts queue at the forker and not here, so
// that it goes from one to the next without waiting for anybody to be woken up.
func (t *trees) fork(ctx context.Context, spec instance.StartSpec) (instance.Process, error) {
	t.forks.RLock()
	defer t.forks.RUnlock()
	p, err := t.forker.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own[p.PID()] = true
	return p, nil
}

// Each that waits for the disk costs a thread, and hundreds may start at once. Who
// waits for a disk that hangs keeps others waiting only for a moment.
const (
	recorders  = 2
	recordWait = 500 * time.Millisecond
)

func (t *trees) inTurn(do func()) {
	timer := time.NewTimer(recordWait)
	defer timer.Stop()
	select {
	case t.recording <- struct{}{}:
		defer func() { <-t.recording }()
	case <-timer.C:
	}
	do()
}

// treeProcess is a child with all that it starts.
type treeProcess struct {
	instance.Process
	t    *trees
	u    *unit
	leaf *cgroup.Leaf // nil without control groups
	tag  string       // variable that the child and all that it starts have
}

func (p *treeProcess) instance() string { return strings.TrimPrefix(p.tag, handoff.EnvInstance+"=") }

// record writes the child down, for the supervisor that comes after one that is
// killed. What cannot be written down runs all the same.
func (p *treeProcess) record() {
	e, err := ledger.Describe(p.PID())
	if errors.Is(err, fs.ErrNotExist) {
		return // it has ended already
	}
	if err == nil {
		e.Profile, e.Instance = p.u.profile.Name, p.instance()
		if p.leaf != nil {
			e.Cgroup = p.leaf.Dir()
		}
		err = p.u.ledger.Begin(e)
	}
	if err != nil {
		p.t.s.o.Log.Warn("the start of a gateway cannot be written down; were this supervisor killed, the next would not know of it", "profile", p.u.profile.Name, "err", err)
	}
}

// Wait returns when the child has ended, and with a control group all that it
// started. Without one, what is left of it is ended beside its successor's start,
// and the record keeps it until then: a supervisor that comes after one which is
// killed meanwhile knows it by that.
func (p *treeProcess) Wait() (instance.Exit, error) {
	e, err := p.Process.Wait()
	p.t.mu.Lock()
	delete(p.t.own, p.PID())
	p.t.mu.Unlock()
	if p.leaf != nil {
		if events, eerr := p.leaf.Events(); eerr == nil {
			e.OOM = events.OOMKill > 0
		}
	}
	p.u.setLeaf(nil)
	if p.leaf == nil && p.t.reaper != nil {
		p.t.endOrphans(p)
	} else {
		p.u.ledger.Settle(p.instance())
	}
	return e, errors.Join(err, p.remove())
}

// Kill ends the child and, where there is a control group, all that it started.
func (p *treeProcess) Kill() error {
	if p.leaf == nil {
		return p.Process.Kill()
	}
	return errors.Join(p.leaf.Kill(), p.Process.Kill())
}

func (p *treeProcess) remove() error {
	if p.leaf == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if err := p.leaf.End(ctx); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("control group of profile %s: %w", p.u.profile.Name, err)
	}
	return nil
}
