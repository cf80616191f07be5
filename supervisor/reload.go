package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// plan compares what is run with what is to be run. Profiles that are equal by
// value are left alone.
func (s *Supervisor) plan(want []profiles.Profile) (plan control.Plan, change []profiles.Profile) {
	keep := map[string]bool{}
	for _, p := range want {
		keep[p.Name] = true
		u := s.set.find(p.Name)
		switch {
		case u == nil:
			plan.Added = append(plan.Added, p.Name)
			change = append(change, p)
		case !reflect.DeepEqual(u.profile, p):
			plan.Changed = append(plan.Changed, p.Name)
			change = append(change, p)
		default:
			plan.Kept = append(plan.Kept, p.Name)
		}
	}
	for _, u := range s.set.list() {
		if !keep[u.profile.Name] {
			plan.Removed = append(plan.Removed, u.profile.Name)
		}
	}
	return plan, change
}

// reload answers with what a reload would do, and does it unless only asked.
func (s *Supervisor) reload(w http.ResponseWriter, r *http.Request) {
	if err := s.mayChange(r, ""); err != nil {
		refuse(w, http.StatusForbidden, exitcode.Failed, err)
		return
	}
	plan, err := s.reloadPlan(context.WithoutCancel(r.Context()), r.FormValue("dry") == "true")
	if err != nil {
		refuse(w, http.StatusConflict, exitcode.Of(err), err)
		return
	}
	reply(w, http.StatusOK, plan)
}

func (s *Supervisor) reloadPlan(ctx context.Context, dry bool) (control.Plan, error) {
	if s.o.Reload == nil {
		return control.Plan{}, errors.New("this supervisor has no registry to read")
	}
	if !s.changing.TryLock() {
		return control.Plan{}, errors.New("a reload is under way, or the supervisor is ending")
	}
	defer s.changing.Unlock()
	want, siblings, err := s.o.Reload()
	if err != nil {
		return control.Plan{}, fmt.Errorf("nothing was changed: %w", err)
	}
	if len(want) == 0 {
		return control.Plan{}, errors.New("nothing was changed: no profile would be left; end the supervisor instead")
	}
	plan, change := s.plan(want)
	if dry {
		return plan, nil
	}
	if err := s.apply(ctx, want, change); err != nil {
		return control.Plan{}, err
	}
	s.territory.Store(profiles.NewTerritory(s.o.Home, siblings))
	s.o.Log.Info("reloaded", "added", plan.Added, "changed", plan.Changed, "removed", plan.Removed)
	return plan, nil
}

// apply makes want what is run. Everything that can fail comes before the first
// gateway is touched, so a failure changes nothing.
func (s *Supervisor) apply(ctx context.Context, want, change []profiles.Profile) error {
	next := map[string]*unit{}
	var made []*unit
	for _, p := range change {
		u, err := s.successor(ctx, p)
		if err != nil {
			return fmt.Errorf("nothing was changed: %w", errors.Join(err, closeAll(made)))
		}
		made = append(made, u)
		next[p.Name] = u
	}
	var units, gone []*unit
	for _, p := range want {
		old := s.set.find(p.Name)
		if u := next[p.Name]; u != nil {
			units = append(units, u)
		} else {
			units = append(units, old)
		}
	}
	for _, u := range s.set.list() {
		if !slices.Contains(units, u) {
			gone = append(gone, u)
			if heir := next[u.profile.Name]; heir != nil {
				u.bequeath(heir)
			}
			u.stop()
		}
	}
	for _, u := range gone {
		<-u.done
	}
	s.set.put(units)
	err := closeAll(gone) // of those that have ended, which nobody can use any more
	for _, u := range made {
		s.run(u)
	}
	s.board.changed()
	return err
}

// successor makes the unit of a profile that is new or has changed. One that stays
// in its state dir takes the lock over from its predecessor.
func (s *Supervisor) successor(ctx context.Context, p profiles.Profile) (*unit, error) {
	old := s.set.find(p.Name)
	inPlace := old != nil && old.profile.StateDir == p.StateDir
	if inPlace {
		u, err := s.newUnit(p, nil)
		if err != nil {
			return nil, err
		}
		u.instance = s.newInstance(u, starter{s.trees, u})
		return u, nil
	}
	units, err := s.lockedUnits([]profiles.Profile{p}, nil)
	if err != nil {
		return nil, err
	}
	u := units[0]
	if err := s.equip(ctx, u, nil, false); err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, u.lock.SetContent(s.introduction)
}

// bequeath gives an heir in the same state dir what must not be let go between the
// two: the lock, and the sockets in whose queues clients wait.
func (u *unit) bequeath(heir *unit) {
	if heir.lock == nil {
		heir.lock, u.lock = u.lock, nil
		heir.ledger = u.ledger // two of one file would lose entries
	}
	heir.listeners.take(&u.listeners)
}
