package doctor

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/servicegen"
)

// Survey observes many targets of one registry. What is the same for all, the
// manager's connection, the table of ports and the machine, is read once, and the targets are looked at side by side.
func Survey(ctx context.Context, targets []Target) []Observation {
	targets = append([]Target(nil), targets...)
	out := make([]Observation, len(targets))
	shareStates(ctx, targets)
	shareMachine(ctx, targets)
	workers := runtime.GOMAXPROCS(0) + 2 // much of it is waiting
	if slices.ContainsFunc(targets, func(t Target) bool { return t.AsRoot != nil }) {
		workers = 1 // the whole process changes who it is meanwhile
	}
	each(len(targets), workers, func(i int) { out[i] = observe(ctx, targets[i], nil) })
	var ports []int
	for _, o := range out {
		ports = append(ports, o.port)
	}
	table, _ := proctable.ListenersOn(ports) // a table that cannot be read shows nobody
	for i := range out {
		out[i].Listeners = table[out[i].port]
	}
	return out
}

// each calls do for 0 to n-1, up to workers at once. It returns when all have returned.
func each(n, workers int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, workers) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// shareStates asks each systemd manager once for all its units. Where that fails,
// each target asks by itself, and says what comes of it.
func shareStates(ctx context.Context, targets []Target) {
	byScope := map[servicegen.Scope][]int{}
	for i, t := range targets {
		if _, ok := t.Host.(*servicegen.Systemd); ok {
			byScope[t.Unit.Scope] = append(byScope[t.Unit.Scope], i)
		}
	}
	for _, members := range byScope {
		if len(members) < 2 {
			continue
		}
		var units []servicegen.Unit
		for _, i := range members {
			units = append(units, targets[i].Unit)
		}
		states, err := targets[members[0]].Host.(*servicegen.Systemd).States(ctx, units)
		for n, i := range members {
			seen := known{Host: targets[i].Host, unit: targets[i].Unit.Name, err: err}
			if err == nil {
				seen.state = states[n]
			}
			targets[i].Host = seen
		}
	}
}

// shareMachine looks once at what all the profiles, which are of one registry, share.
func shareMachine(ctx context.Context, targets []Target) {
	if len(targets) < 2 || targets[0].Shared == nil {
		return
	}
	m := targets[0].Shared(ctx)
	for i := range targets {
		targets[i].Shared = func(context.Context) *Machine { return m }
	}
}

// known is a host whose view of one unit was asked for already.
type known struct {
	servicegen.Host
	unit  string
	state servicegen.State
	err   error
}

// State implements servicegen.Host.
func (k known) State(ctx context.Context, u servicegen.Unit) (servicegen.State, error) {
	if u.Name == k.unit {
		return k.state, k.err
	}
	return k.Host.State(ctx, u)
}
