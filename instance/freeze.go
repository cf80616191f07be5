package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Frozen is everything that a successor needs to go on with an instance as if
// nothing had happened. What is JSON of it holds no secret.
type Frozen struct {
	State    State     `json:"state"`
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	Tries    int       `json:"tries"`
	LastExit *Exit     `json:"lastExit"`
	NextTry  time.Time `json:"nextTry,omitzero"`

	Due     time.Time      `json:"due,omitzero"` // when the state will have lasted too long
	Want    bool           `json:"want"`         // a child should live
	Backoff int            `json:"backoff"`      // deaths that count for the next delay
	Hash    string         `json:"hash"`         // what the deaths are counted of
	Deaths  map[string]int `json:"deaths"`       // by class; nil when none were counted

	Child *FrozenChild `json:"child"` // nil when none lives
}

// FrozenChild is the child of a frozen instance.
type FrozenChild struct {
	PID      int       `json:"pid"`
	ID       string    `json:"id"`
	Hash     string    `json:"hash"`
	Degraded string    `json:"degraded"`
	Began    time.Time `json:"began"`
	Ready    bool      `json:"ready"`
	Asked    bool      `json:"asked"`
	Fate     string    `json:"fate"`
	Why      string    `json:"why"`
	Misses   int       `json:"misses"`
	Hung     bool      `json:"hung"`
	Rest     []byte    `json:"rest"` // the beginning of a line that it printed

	Pipe   *os.File `json:"-"` // whose end tells the child that we are gone
	Output *os.File `json:"-"` // what it prints
}

// freezeTime bounds what is waited for before an instance is frozen. The longest
// is what descendants of a child that has died may still print.
const freezeTime = outputGrace + 2*time.Second

// Freeze stops everything that goes on here and returns what a successor needs;
// the child lives on. Nothing happens any more until Thaw, which must follow
// unless the successor takes the place of this program. The files are the
// instance's own and stay open. Reports are to be paused before.
func (i *Instance) Freeze(ctx context.Context) (Frozen, error) {
	var f Frozen
	c := command{verb: freeze, into: &f, done: make(chan error, 1)}
	select {
	case i.commands <- c:
	case <-i.done:
		return f, errEnded
	case <-ctx.Done():
		return f, ctx.Err()
	}
	return f, <-c.done // it is bounded, and giving up on it would leave an instance that nobody thaws
}

// Thaw goes on after a Freeze that succeeded.
func (i *Instance) Thaw() { i.thaw <- true }

// freeze answers c and returns when the instance is thawed.
func (m *machine) freeze(ctx context.Context, c command) {
	m.hear(ctx)
	if err := m.letGo(ctx); err != nil {
		c.done <- fmt.Errorf("profile %s: %w", m.o.Name, err)
		return
	}
	f, err := m.still()
	if err != nil {
		m.stir(ctx, f)
		c.done <- fmt.Errorf("profile %s: %w", m.o.Name, err)
		return
	}
	*c.into = f
	c.done <- nil
	if !<-m.thaw {
		m.left = true
		return
	}
	m.stir(ctx, f)
}

// still stops what else goes on beside the loop, in an order that loses nothing:
// last the reading of what the child prints.
func (m *machine) still() (f Frozen, err error) {
	limit := time.NewTimer(freezeTime)
	defer limit.Stop()
	if c := m.child; c != nil {
		select {
		case <-c.handed:
		case <-limit.C:
			return f, errors.New("its gateway has not read yet what it was started with")
		}
		if c.unwatch != nil {
			c.unwatch()
			c.unwatch = nil
		}
	}
	tails := make(chan struct{})
	m.outputs.Go(func() {
		m.tails.Wait()
		close(tails)
	})
	select {
	case <-tails:
	case <-limit.C:
		return f, errors.New("what a gateway that died has left is still being put in order")
	}
	snap := m.Snapshot()
	f.State, f.Reason, f.Since, f.Restarts, f.Tries, f.LastExit, f.NextTry = snap.State, snap.Reason, snap.Since, snap.Restarts, snap.Tries, snap.LastExit, snap.NextTry
	f.Due, f.Want, f.Backoff, f.Hash, f.Deaths = m.due, m.want, m.backoff.count, m.deaths.hash, m.deaths.class
	if c := m.child; c != nil {
		c.output.end()
		<-c.output.done
		f.Child = &FrozenChild{PID: c.proc.PID(), ID: c.id, Hash: c.launch.Hash, Degraded: c.launch.Degraded, Began: c.began, Ready: c.ready, Asked: c.asked,
			Fate: c.fate, Why: c.why, Misses: c.misses, Hung: c.hung, Rest: c.output.begun, Pipe: c.pipe, Output: c.output.file}
	}
	return f, nil
}

// hear takes a report that has come already.
func (m *machine) hear(ctx context.Context) {
	select {
	case <-m.reported():
		m.isReady(ctx)
	default:
	}
}

// letGo stops waiting for the end of the child. One that has just ended is dealt
// with before, and so is a successor of it. After an error nothing has changed.
func (m *machine) letGo(ctx context.Context) error {
	for m.child != nil {
		c := m.child
		held, err := c.proc.Release()
		if err != nil {
			return err
		}
		if held {
			m.outputs.Done() // which await has counted
			return nil
		}
		m.childEnded(ctx, <-c.exited)
	}
	return nil
}

// stir undoes letGo, and still however far that came.
func (m *machine) stir(ctx context.Context, f Frozen) {
	if c := m.child; c != nil {
		if f.Child != nil {
			m.consume(c, c.output.file, c.output.begun)
		}
		m.await(c)
		if c.ready && c.unwatch == nil {
			m.probe(ctx, c)
		}
	}
}
