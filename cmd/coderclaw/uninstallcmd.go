package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func (a *app) uninstallCommand() *cli.Command {
	return &cli.Command{
		Name:  "uninstall",
		Usage: "remove the services of all profiles, or of the one named; with --all everything that coderclaw made",
		Description: "It lists first what it removes and what it keeps, and asks. Files that coderclaw did not make are\n" +
			"kept and named; a workspace outside of its state dir that holds such files goes only with --workspace.\n" +
			"The program itself stays.",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "service", Usage: "remove the services; the default"},
			&cli.BoolFlag{Name: "state", Usage: "remove config, credentials, sessions, logs and the registry"},
			&cli.BoolFlag{Name: "workspace", Usage: "remove the workspaces"},
			&cli.BoolFlag{Name: "all", Usage: "all of these"},
			&cli.BoolFlag{Name: "force", Usage: "treat a service file and a state dir as ours that this program did not make"},
			systemFlags(false)[0],
		}, removalFlags()...),
		Action: func(ctx context.Context, c *cli.Command) error {
			return a.within(ctx, c, "uninstall", func() error { return a.uninstall(ctx, c) })
		},
	}
}

func (a *app) uninstall(ctx context.Context, c *cli.Command) error {
	r, err := a.registry()
	if err != nil {
		return err
	}
	ps, err := a.named(r, nil)
	if err != nil {
		return err
	}
	all := c.Bool("all")
	state, workspace := all || c.Bool("state"), all || c.Bool("workspace")
	service := all || c.Bool("service") || !state && !workspace
	want := func(kind string) bool {
		if kind == isWorkspace {
			return workspace
		}
		return state
	}
	var plan removalPlan
	for _, p := range ps {
		part, err := a.uninstallPart(ctx, c, p, r, service, want)
		if err != nil {
			return err
		}
		plan.parts = append(plan.parts, part)
	}
	if state {
		plan.parts = append(plan.parts, a.registryPart(ctx, ps, r))
	}
	if service {
		plan.notes = append(plan.notes, a.lingerNote(ctx)...)
	}
	if exe, err := proctable.Executable(a.argv0, exec.LookPath); err == nil && all {
		plan.notes = append(plan.notes, "The program stays: "+exe)
	}
	return a.perform(ctx, c, plan)
}

func (a *app) uninstallPart(ctx context.Context, c *cli.Command, p profiles.Profile, r *profiles.Registry, service bool, want func(string) bool) (removalPart, error) {
	var part removalPart
	if service {
		s, err := a.service(p, r)
		if err != nil {
			return part, err
		}
		if part.services, err = a.serviceRemoval(ctx, c, s); err != nil {
			return part, err
		}
		if slices.ContainsFunc(part.services, func(m removal) bool { return m.do != nil }) {
			part.busy = a.mayManage(s, "uninstall")
		}
	}
	if !want(isConfig) && !want(isWorkspace) {
		return part, nil
	}
	x := a.remover(p, r)
	x.outside, x.force = c.Bool("workspace"), c.Bool("force")
	part.list = func() ([]removal, error) { return x.data(want) }
	var err error
	if part.data, err = part.list(); err != nil {
		return part, err
	}
	byService, err := a.holder(ctx, p, r)
	switch {
	case part.busy != nil:
	case err != nil:
		part.busy = err
	case byService && len(part.services) == 0:
		part.busy = usageError("profile %s is run by its service; remove that as well, with --service, or stop it with: %s", p.Name, hint(p, "gateway stop"))
	}
	part.claim = func() (func(), error) { return a.claimToRemove(p) }
	return part, nil
}

// serviceRemoval lists the service of a profile with what stays of it.
func (a *app) serviceRemoval(ctx context.Context, c *cli.Command, s unitService) ([]removal, error) {
	m := removal{Action: "remove", What: "service", Profile: s.profile.Name, Path: firstOf(s.unit.Path, s.unit.Name)}
	state, err := s.host.State(ctx, s.unit)
	if err != nil && !errors.Is(err, servicegen.ErrNoBus) {
		return nil, err
	}
	disk := servicegen.OnDisk{State: servicegen.FileMissing}
	if s.unit.Path != "" {
		disk = servicegen.Observe(s.host.Format(), s.unit.Path)
	}
	if state.Elsewhere(s.unit) != "" {
		state = servicegen.State{}
	}
	known := state.LoadState != "" && state.LoadState != servicegen.LoadNotFound || state.Running() || state.ActiveState == "failed"
	switch {
	case disk.State == servicegen.FileMissing && !known && len(disk.Targets) == 0:
		return nil, nil
	case disk.State == servicegen.FileText && !c.Bool("force"):
		if origin := servicegen.OriginOf(s.host.Format(), disk.Raw); origin.Kind == servicegen.OriginNode || origin.Kind == servicegen.OriginOther {
			m.Action, m.Note = "keep", "not written by coderclaw; remove it with --force"
			return []removal{m}, nil
		}
		if s.otherRegistry() != nil {
			m.Action, m.Note = "keep", "works for another registry; remove it with --force"
			return []removal{m}, nil
		}
	}
	if state.Running() {
		m.Note = fmt.Sprintf("runs as pid %d and is stopped", state.MainPID)
	}
	m.do = func(ctx context.Context) error {
		_, err := a.uninstallWhereItCan(ctx, s, c)
		return err
	}
	out := []removal{m}
	if socket := s.unit.SocketUnit(); s.socket {
		m := removal{Action: "remove", What: "socket unit", Profile: s.profile.Name, Path: socket.Path}
		m.do = func(context.Context) error { return nil } // it goes with the service, which comes next
		out = []removal{m, out[0]}
	}
	for _, d := range disk.DropIns {
		out = append(out, removal{Action: "keep", What: "drop-in", Profile: s.profile.Name, Path: d.Path, Note: "not written by coderclaw"})
	}
	return out, nil
}

// uninstallWhereItCan removes the service of s, unless it runs and its manager is
// out of reach: the files would be gone, and the process would not.
func (a *app) uninstallWhereItCan(ctx context.Context, s unitService, c *cli.Command) (serviceResult, error) {
	_, err := s.host.State(ctx, s.unit)
	if _, info, found := control.Find(s.profile); errors.Is(err, servicegen.ErrNoBus) && found == nil && info.Unit == s.unit.Name {
		return serviceResult{}, exitcode.With(exitcode.Busy, fmt.Errorf("it runs as pid %d, and its manager cannot be told to stop it: %w", info.PID, err))
	}
	return a.serviceUninstall(ctx, s, c)
}

// registryPart removes the registry with the last profile, and the entry of a
// single one.
func (a *app) registryPart(ctx context.Context, ps []profiles.Profile, r *profiles.Registry) removalPart {
	var part removalPart
	if len(ps) < len(r.List()) {
		for _, p := range ps {
			if !profiles.IsBuiltin(p.Name) {
				part.data = append(part.data, removal{Action: "remove", What: "registry entry", Profile: p.Name, Path: r.Path(), do: func(context.Context) error {
					_, err := profiles.Remove(ctx, r.Path(), r.Home(), p.Name)
					return err
				}})
			}
		}
		return part
	}
	for _, path := range []string{r.Path(), r.Path() + ".lock", doctorKey(r)} {
		if _, err := os.Lstat(path); err == nil {
			part.data = append(part.data, removal{Action: "remove", What: "registry", Path: path, do: func(context.Context) error {
				err := os.Remove(path)
				if dir := filepath.Dir(path); filepath.Base(dir) == "coderclaw" {
					_ = os.Remove(dir) // ours by its name, when nothing else is in it
				}
				return err
			}})
		}
	}
	return part
}

// lingerNote says that lingering stays on: other services of the user may need it.
func (a *app) lingerNote(ctx context.Context) []string {
	s, err := servicegen.Linger(ctx, a.hostOptions())
	if err != nil || s.Grade != servicegen.LingerOn {
		return nil
	}
	return []string{fmt.Sprintf("Lingering stays on for %s, whose other services may need it; to switch it off: loginctl disable-linger %s", s.User, s.User)}
}
