package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// removalReport is the machine form of `uninstall` and `reset`.
type removalReport struct {
	OK      bool      `json:"ok"`
	DryRun  bool      `json:"dryRun"`
	Actions []removal `json:"actions"`
	Notes   []string  `json:"notes,omitempty"`
	Error   string    `json:"error,omitempty"`
}

// removalFlags are the options that `uninstall` and `reset` share.
func removalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "show what would be done, and do nothing"},
		&cli.BoolFlag{Name: "yes", Usage: "do not ask; without a terminal it is needed"},
		&cli.BoolFlag{Name: "non-interactive", Usage: "ask nothing; needs --yes"},
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
	}
}

// removalPlan is what is to be removed, profile by profile.
type removalPlan struct {
	parts []removalPart
	notes []string // said at the end
}

// removalPart is what concerns one profile; busy is why it cannot be done now.
type removalPart struct {
	services []removal // to be stopped or removed before the rest is claimed
	data     []removal
	list     func() ([]removal, error)          // makes data; nil when that is all there is
	claim    func() (release func(), err error) // nil when no data is removed
	busy     error
}

func (p removalPlan) actions() []removal {
	out := []removal{}
	for _, part := range p.parts {
		out = append(append(out, part.services...), part.data...)
	}
	return out
}

// perform shows the plan, asks, and carries it out.
func (a *app) perform(ctx context.Context, c *cli.Command, plan removalPlan) error {
	dry, asJSON := c.Bool("dry-run"), c.Bool("json")
	all := plan.actions()
	some := slices.ContainsFunc(all, func(m removal) bool { return m.do != nil })
	if !asJSON {
		if err := a.printRemovals(all, dry); err != nil {
			return err
		}
	}
	var err error
	if some && !dry {
		err = a.agreed(c)
		if err == nil {
			err = a.carryOut(ctx, plan, !asJSON)
			all = plan.actions()
		}
	} else {
		for _, part := range plan.parts {
			if part.busy != nil {
				plan.notes = append(plan.notes, "cannot be done now: "+part.busy.Error())
			}
		}
	}
	if asJSON {
		report := removalReport{OK: err == nil, DryRun: dry, Actions: all, Notes: plan.notes}
		if err != nil {
			report.Error = err.Error()
		}
		if printed := a.printJSON(report); printed != nil || err == nil {
			return printed
		}
		return quiet(exitcode.Of(err))
	}
	if err != nil {
		return err
	}
	if !some {
		fmt.Fprintln(a.stdout, "Nothing to remove.")
	}
	for _, n := range plan.notes {
		fmt.Fprintln(a.stdout, n)
	}
	return nil
}

// agreed makes sure that a person wants it.
func (a *app) agreed(c *cli.Command) error {
	switch {
	case c.Bool("yes"):
		return nil
	case c.Bool("non-interactive"):
		return usageError("Non-interactive mode requires --yes.")
	case c.Bool("json") || !isTerminal(a.stdin):
		return usageError("nobody can be asked here: say --yes to go ahead, or --dry-run to see what would be done")
	case !confirm(a.stdin, a.stdout, "Go ahead?"):
		return exitcode.With(exitcode.Failed, errors.New("nothing was changed"))
	}
	return nil
}

// carryOut does part after part, and stops at the first failure: the data of a
// profile is not touched when its service could not be stopped.
func (a *app) carryOut(ctx context.Context, plan removalPlan, say bool) error {
	for _, part := range plan.parts {
		if part.busy != nil {
			return part.busy
		}
	}
	each := func(list []removal, what func(removal) bool) error {
		for i := range list {
			m := &list[i]
			if m.do == nil || m.Done || !what(*m) {
				continue
			}
			if err := m.do(ctx); err != nil {
				return fmt.Errorf("%s %s: %w", m.Action, m.Path, err)
			}
			m.Done = true
			if say {
				fmt.Fprintf(a.stdout, "%s %s\n", map[string]string{"stop": "Stopped", "remove": "Removed"}[m.Action], shown(m.Path))
			}
		}
		return nil
	}
	any := func(removal) bool { return true }
	for i := range plan.parts {
		part := &plan.parts[i]
		if err := each(part.services, any); err != nil {
			return err
		}
		release := func() {}
		if part.claim != nil {
			var err error
			if release, err = part.claim(); err != nil {
				return err
			}
		}
		late, err := part.again()
		if err == nil && say && len(late) > 0 {
			err = a.printRemovals(late, false)
		}
		if err == nil {
			err = each(part.data, func(m removal) bool { return m.What != isLock && m.What != "state dir" })
		}
		release() // an open file cannot be removed everywhere
		if err == nil {
			err = each(part.data, any)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// again lists the data once more, now that nobody works on it: what has just been
// stopped may have written until then. It returns what the plan did not show.
func (part *removalPart) again() (late []removal, err error) {
	if part.list == nil {
		return nil, nil
	}
	now, err := part.list()
	if err != nil {
		return nil, err
	}
	shown := func(m removal) bool {
		return slices.ContainsFunc(part.data, func(o removal) bool { return o.Path == m.Path && o.Action == m.Action })
	}
	now = slices.DeleteFunc(now, func(m removal) bool { return m.What == isLock && !shown(m) }) // of our own claim
	for _, m := range now {
		if !shown(m) {
			late = append(late, m)
		}
	}
	part.data = now
	return late, nil
}

// claimToRemove is claim for one that leaves no lock behind where none was.
func (a *app) claimToRemove(p profiles.Profile) (release func(), err error) {
	var fresh []string
	for _, path := range []string{p.SupervisorLock(), p.GatewayLock()} {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			fresh = append(fresh, path)
		}
	}
	unlock, err := a.claim(p)
	if err != nil {
		return nil, err
	}
	return func() {
		unlock()
		for _, path := range fresh {
			_ = os.Remove(path) // it was there to lock, and may be gone with the rest
		}
	}, nil
}

func (a *app) printRemovals(all []removal, dry bool) error {
	tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	for _, m := range all {
		prefix, note := "", ""
		if dry {
			prefix = "[dry-run] "
		}
		if m.Note != "" {
			note = "  (" + m.Note + ")"
		}
		fmt.Fprintf(tw, "%s%s\t%s\t%s\t%s%s\n", prefix, m.Action, firstOf(m.Profile, "-"), m.What, shown(m.Path), note)
	}
	return tw.Flush()
}

// holder finds out who runs p: nobody, its own service, or somebody who has to be
// stopped first, which is the error.
func (a *app) holder(ctx context.Context, p profiles.Profile, r *profiles.Registry) (byService bool, err error) {
	_, info, err := control.Find(p)
	if errors.Is(err, control.ErrNone) {
		if h, ok := statelock.Find(p); ok {
			return false, exitcode.With(exitcode.Busy, fmt.Errorf("profile %s: a gateway runs by hand as pid %d; end it with Ctrl-C in its terminal, or: kill %d", p.Name, h.PID, h.PID))
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	busy := exitcode.With(exitcode.Busy, fmt.Errorf("profile %s is run by supervisor pid %d%s; stop it first with: %s",
		p.Name, info.PID, unitNote(info.Unit), stopHint(p, info)))
	if !p.Registered() {
		return false, busy
	}
	s, err := a.service(p, r)
	if err != nil {
		return false, err
	}
	if _, foreign := s.foreignSupervisor(ctx); foreign {
		return false, busy
	}
	if _, err := s.host.State(ctx, s.unit); errors.Is(err, servicegen.ErrNoBus) {
		return true, exitcode.With(exitcode.Busy, fmt.Errorf("profile %s is run by %s, whose manager cannot be told to stop it: %w", p.Name, s.unit.Name, err))
	}
	return true, nil
}
