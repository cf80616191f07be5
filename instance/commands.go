package instance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
)

// command carries out what was asked for.
func (m *machine) command(ctx context.Context, c command) {
	if m.ending {
		c.done <- errEnded
		return
	}
	switch c.verb {
	case stop:
		m.wish(&c, false)
		m.tell(&m.waiters, fmt.Errorf("profile %s was stopped", m.o.Name))
		m.stops = append(m.stops, c)
		m.stopChild("stopping on request")
	case start:
		m.wish(&c, true)
		m.wantReady(ctx, c)
	case restart:
		if err := m.o.Precheck(ctx); err != nil {
			c.done <- err
			return
		}
		m.wish(&c, true)
		if s := m.state(); s == Starting || s == Ready || s == Unhealthy {
			m.waiters = append(m.waiters, c)
			m.drain(true, "restarting on request")
			return
		}
		m.wantReady(ctx, c)
	case recycle:
		if s := m.state(); s != Ready && s != Unhealthy || m.child.id != c.id {
			c.done <- nil
			return
		}
		m.waiters = append(m.waiters, c)
		m.drain(true, c.why)
	case condemn:
		if m.child != nil && m.child.id == c.id {
			m.child.fate, m.child.why = ClassOOM, c.why
			m.kill()
		}
		c.done <- nil
	case freeze:
		m.freeze(ctx, c)
	}
}

// wish takes note of what the command wants, also of the supervisors to come.
func (m *machine) wish(c *command, running bool) {
	m.want = running
	if running {
		m.tell(&m.stops, fmt.Errorf("profile %s was started again", m.o.Name))
	}
	// A full disk must not keep a gateway up, so what cannot be recorded is done all the same.
	if err := m.o.Wish(running); err != nil {
		c.note = fmt.Errorf("it was done, but the next supervisor will not know: %w", err)
	}
}

// wantReady answers the command once a child is ready, starting one if none lives.
func (m *machine) wantReady(ctx context.Context, c command) {
	m.waiters = append(m.waiters, c)
	if s := m.state(); s == Ready || s == Unhealthy {
		m.tell(&m.waiters, nil)
		return
	}
	if m.child == nil {
		m.forgive()
		m.start(ctx)
	}
}

// stopChild ends the child if there is one; else the instance is stopped at once.
func (m *machine) stopChild(reason string) {
	switch {
	case m.child == nil:
		m.to(Stopped, stoppedReason(m.ending))
		m.tell(&m.stops, nil)
	case m.state() != Draining:
		m.drain(false, reason)
	}
}

func stoppedReason(ending bool) string {
	if ending {
		return "the supervisor has ended it"
	}
	return "it was stopped on request"
}

// drain asks the child to end, for a successor or for good. One that is not ready
// yet may not listen to the first kind of signal, and has no clients to tell.
func (m *machine) drain(forRestart bool, reason string) {
	m.child.asked = true
	if err := m.child.proc.Signal(drainSignal(forRestart && m.child.ready)); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.o.Log.Error("signal", "profile", m.o.Name, "pid", m.child.proc.PID(), "err", err)
	}
	m.to(Draining, reason)
}

// tell answers every command in the list and empties it.
func (m *machine) tell(list *[]command, err error) {
	for _, c := range *list {
		c.done <- cmp.Or(err, c.note)
	}
	*list = nil
}
