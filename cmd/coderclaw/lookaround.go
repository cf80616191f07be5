package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// neighbour is a supervisor beside ours and what it holds.
type neighbour struct {
	client   *control.Client
	info     control.LockInfo
	profiles []profiles.Profile
}

// lookAround tells a supervisor of own what is wrong with the other profiles of
// the registry, which is read anew each time.
func (a *app) lookAround(ctx context.Context, own []string) ([]control.Diagnosis, error) {
	r, err := a.registry()
	if err != nil {
		return nil, err
	}
	var found []control.Diagnosis
	var errs []error
	held := map[int]*neighbour{} // by pid
	for _, p := range r.List() {
		if slices.Contains(own, p.Name) {
			continue
		}
		client, info, err := control.Find(p)
		switch {
		case errors.Is(err, control.ErrNone):
			if d, wrong := a.deserted(ctx, p, r); wrong {
				found = append(found, d)
			}
		case err != nil:
			errs = append(errs, fmt.Errorf("profile %s: %w", p.Name, err))
		default:
			n := cmp.Or(held[info.PID], &neighbour{client: client, info: info})
			n.profiles = append(n.profiles, p)
			held[info.PID] = n
		}
	}
	found = append(found, askAll(ctx, held)...)
	slices.SortStableFunc(found, func(x, y control.Diagnosis) int { return cmp.Compare(x.Profile, y.Profile) })
	return found, errors.Join(errs...)
}

// deserted tells whether the profile's service should run a supervisor, and none runs.
func (a *app) deserted(ctx context.Context, p profiles.Profile, r *profiles.Registry) (control.Diagnosis, bool) {
	unit, registered := a.installedUnit(ctx, p, r)
	if !registered || control.Wanted(p) == control.WantStopped {
		return control.Diagnosis{}, false
	}
	if _, byHand := statelock.Find(p); byHand {
		return control.Diagnosis{}, false
	}
	return control.Diagnosis{Profile: p.Name, State: instance.Stopped, Unit: unit,
		Reason: fmt.Sprintf("no supervisor runs it, although its service %s is installed and nobody has stopped it through coderclaw", unit)}, true
}

// askAll asks every supervisor at once, so that one that hangs costs no more than itself.
func askAll(ctx context.Context, held map[int]*neighbour) []control.Diagnosis {
	var asking sync.WaitGroup
	var mu sync.Mutex // guards found
	var found []control.Diagnosis
	for _, n := range held {
		asking.Go(func() {
			wrong := n.wrong(ctx)
			mu.Lock()
			defer mu.Unlock()
			found = append(found, wrong...)
		})
	}
	asking.Wait()
	return found
}

// wrong is what is wrong with the profiles that a neighbour holds.
func (n *neighbour) wrong(ctx context.Context) []control.Diagnosis {
	var out []control.Diagnosis
	status, err := n.client.Status(ctx)
	switch {
	case err == nil:
		for _, i := range status.Instances {
			if d, wrong := control.Diagnose(i, n.info.Unit); wrong {
				out = append(out, d)
			}
		}
	case proctable.Alive(n.info.PID, n.info.StartTime): // it was not just ending
		for _, p := range n.profiles {
			out = append(out, control.Diagnosis{Profile: p.Name, State: control.Unknown, Supervisor: n.info.PID, Unit: n.info.Unit,
				Reason: fmt.Sprintf("supervisor pid %d does not answer", n.info.PID)})
		}
	}
	return out
}
