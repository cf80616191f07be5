package instance

import (
	"context"
	"fmt"
	"time"
)

// Probes says how a child that is ready is watched. Zero values mean the defaults.
type Probes struct {
	Every   time.Duration // between two looks; 10 s
	Timeout time.Duration // of one question; 5 s
	Misses  int           // unanswered liveness probes in a row after which it is killed; 3
}

const (
	defaultProbeEvery   = 10 * time.Second
	defaultProbeTimeout = 5 * time.Second
	defaultProbeMisses  = 3
	// dumpTime is how long a child that hangs has to print the stacks of its goroutines.
	dumpTime = 2 * time.Second
)

func (p Probes) filled() Probes {
	if p.Every == 0 {
		p.Every = defaultProbeEvery
	}
	if p.Timeout == 0 {
		p.Timeout = defaultProbeTimeout
	}
	if p.Misses == 0 {
		p.Misses = defaultProbeMisses
	}
	return p
}

// probeResult is one look at the child of that id.
type probeResult struct {
	id            string
	live, serving error
}

// probe begins to watch a child that is ready.
func (m *machine) probe(ctx context.Context, c *child) {
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	c.unwatch = unwatch
	m.outputs.Go(func() { m.watch(watching, c.id, c.launch) })
}

// watch probes the child until ctx ends.
func (m *machine) watch(ctx context.Context, id string, l Launch) {
	if l.Live == nil && l.Serving == nil {
		return
	}
	tick := time.NewTicker(m.o.Probes.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r := probeResult{id: id, live: m.question(ctx, l.Live), serving: m.question(ctx, l.Serving)}
		select {
		case m.probed <- r:
		case <-ctx.Done():
			return
		}
	}
}

func (m *machine) question(ctx context.Context, ask func(context.Context) error) error {
	if ask == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.o.Probes.Timeout)
	defer cancel()
	return ask(ctx)
}

// look acts on what a probe has found. Only missed liveness probes may kill.
func (m *machine) look(r probeResult) {
	c := m.child
	if s := m.state(); c == nil || c.id != r.id || c.hung || s != Ready && s != Unhealthy {
		return
	}
	if r.live == nil {
		c.misses = 0
	} else {
		c.misses++
	}
	switch {
	case c.misses >= m.o.Probes.Misses:
		m.dump(r.live)
	case r.live != nil:
		m.to(Unhealthy, fmt.Sprintf("it does not answer (%d of %d): %v", c.misses, m.o.Probes.Misses, r.live))
	case r.serving != nil:
		m.to(Unhealthy, fmt.Sprintf("it wants no clients: %v", r.serving))
	case m.state() == Unhealthy:
		m.to(Ready, c.launch.Degraded)
	}
}

// dump asks a child that hangs for the stacks of its goroutines; it ends with
// that, or is killed when dumpTime is over.
func (m *machine) dump(why error) {
	c := m.child
	c.hung = true
	c.fate, c.why = ClassCrash, fmt.Sprintf("hung: %d liveness probes in a row were not answered, the last: %v", c.misses, why)
	m.o.Log.Warn("the gateway hangs and is killed", "profile", m.o.Name, "pid", c.proc.PID(), "misses", c.misses, "err", why)
	if err := c.proc.Signal(dumpSignal()); err != nil {
		m.kill()
	}
	m.to(Unhealthy, c.why)
}
