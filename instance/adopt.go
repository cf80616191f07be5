package instance

import (
	"context"
	"time"
)

// Adopted is a frozen instance with what its successor has made of it.
type Adopted struct {
	Frozen
	Process Process // the child, nil when none lives, or none that could be adopted
	// Live, Serving and OnReady are those of the Launch by which the child was started.
	Live, Serving func(ctx context.Context) error
	OnReady       func()
}

// snapshot is how the instance is before Run goes on with it.
func (a *Adopted) snapshot() Snapshot {
	s := Snapshot{State: a.State, Reason: a.Reason, Since: a.Since, Restarts: a.Restarts, Tries: a.Tries, LastExit: a.LastExit, NextTry: a.NextTry}
	switch {
	case a.State.HasChild() && (a.Process == nil || a.Child == nil):
		s.State, s.Reason, s.NextTry = Stopped, "not started yet", time.Time{}
	case a.State.HasChild():
		s.PID, s.ID, s.Degraded = a.Process.PID(), a.Child.ID, a.Child.Degraded
	}
	return s
}

// adopt goes on where the predecessor was. A child that is gone is replaced.
func (m *machine) adopt(ctx context.Context, a *Adopted) {
	m.want, m.backoff.count, m.deaths = a.Want, a.Backoff, deaths{a.Hash, a.Deaths}
	if a.State.HasChild() && (a.Process == nil || a.Child == nil) {
		m.o.Log.Warn("the gateway of the supervisor's predecessor is gone", "profile", m.o.Name)
		if m.want {
			m.start(ctx)
		} else {
			m.to(Stopped, stoppedReason(false))
		}
		return
	}
	if f := a.Child; f != nil && a.Process != nil {
		c := &child{proc: a.Process, id: f.ID, pipe: f.Pipe, handed: make(chan struct{}), exited: make(chan Exit, 1),
			launch: Launch{Hash: f.Hash, Degraded: f.Degraded, Live: a.Live, Serving: a.Serving, OnReady: a.OnReady}, began: f.Began,
			ready: f.Ready, asked: f.Asked, fate: f.Fate, why: f.Why, misses: f.Misses, hung: f.Hung}
		close(c.handed)
		if !c.ready {
			c.reported = m.o.Reports.Expect(c.id)
		}
		m.child = c
		if a.Deaths == nil {
			m.deaths.of(f.Hash)
		}
		m.consume(c, f.Output, f.Rest)
		m.await(c)
		if c.ready {
			m.probe(ctx, c)
		}
	}
	next := a.NextTry // to forgets it
	m.to(a.State, a.Reason)
	if !a.Due.IsZero() {
		m.wake(max(0, time.Until(a.Due)))
	}
	m.count(func(s *Snapshot) { s.NextTry = next })
}
