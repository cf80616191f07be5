package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// serviceResult is the machine form of the service verbs.
type serviceResult struct {
	OK       bool         `json:"ok"`
	Action   string       `json:"action"`
	Result   string       `json:"result,omitempty"`
	Message  string       `json:"message,omitempty"`
	Error    string       `json:"error,omitempty"`
	Hints    []string     `json:"hints,omitempty"`
	Warnings []string     `json:"warnings,omitempty"`
	Service  *serviceJSON `json:"service,omitempty"`
}

type serviceJSON struct {
	Label         string `json:"label"`
	Loaded        bool   `json:"loaded"`
	LoadedText    string `json:"loadedText"`
	NotLoadedText string `json:"notLoadedText"`
}

// serviceVerbs are the subcommands of `gateway` that manage the profile's service.
func (a *app) serviceVerbs() []*cli.Command {
	verb := func(name, usage string, do serviceAction, flags ...cli.Flag) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage,
			Flags: slices.Concat(flags, systemFlags(name == "install"), []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}}),
			Action: func(ctx context.Context, c *cli.Command) error {
				return a.within(ctx, c, name, func() error { return a.serviceVerb(ctx, c, name, do) })
			},
		}
	}
	return []*cli.Command{
		verb("install", "install the profile's service and start it", a.installWhereItCan, lingerFlag(), socketFlag()),
		verb("uninstall", "stop the profile's service and remove it", a.uninstallWhereItCan),
		verb("start", "start the gateway, by its service where one is installed", a.serviceStart),
		verb("stop", "stop the gateway, and its service where one is installed", a.serviceStop),
		verb("restart", "replace the running gateway without refusing a client", a.serviceRestart),
	}
}

// serviceAction is what one verb does to a service.
type serviceAction func(context.Context, unitService, *cli.Command) (serviceResult, error)

// serviceVerb runs one verb and prints its result in the form that was asked for.
func (a *app) serviceVerb(ctx context.Context, c *cli.Command, action string, do serviceAction) error {
	p, r, err := a.registered()
	if err != nil {
		return err
	}
	s, err := a.service(p, r)
	if err != nil {
		return err
	}
	res, err := do(ctx, s, c)
	if !c.Bool("json") {
		for _, w := range res.Warnings {
			fmt.Fprintf(a.stderr, "warning: %s\n", w)
		}
		if res.Message != "" {
			fmt.Fprintln(a.stdout, res.Message)
		}
		for _, h := range res.Hints {
			fmt.Fprintf(a.stdout, "%s\n", h)
		}
		if err != nil {
			return fmt.Errorf("gateway %s: %w", action, err)
		}
		return nil
	}
	res.OK, res.Action = err == nil, action
	w := s.words()
	st, _ := s.host.State(ctx, s.unit) // shown as not loaded when unknown
	res.Service = &serviceJSON{Label: s.unit.Name, Loaded: st.Enabled(), LoadedText: w.on, NotLoadedText: w.off}
	if err != nil {
		res.Error = err.Error()
	}
	if err := a.printJSON(res); err != nil {
		return err
	}
	if err != nil {
		return quiet(exitcode.Of(err))
	}
	return nil
}

func (a *app) serviceUninstall(ctx context.Context, s unitService, c *cli.Command) (serviceResult, error) {
	if err := a.mayManage(s, "uninstall"); err != nil {
		return serviceResult{}, err
	}
	if err := s.otherRegistry(); err != nil && !c.Bool("force") {
		return serviceResult{}, err
	}
	unlock, err := lockService(ctx, s.profile)
	if err != nil {
		return serviceResult{}, err
	}
	defer unlock()
	var report servicegen.UninstallReport
	err = s.site.asRoot(func() (err error) {
		report, err = s.uninstall(ctx, servicegen.UninstallOptions{Force: c.Bool("force"), Offline: true})
		return err
	})
	if err != nil {
		return serviceResult{}, err
	}
	res := serviceResult{Result: "uninstalled", Message: "Removed " + s.words().noun + " service: " + firstOf(report.Path, s.unit.Name)}
	if !report.Found {
		res.Message = fmt.Sprintf("%s service not found at %s", s.words().noun, firstOf(report.Path, s.unit.Name))
	}
	if report.Elsewhere != "" {
		res.Warnings = append(res.Warnings, fmt.Sprintf("left %s, which the manager has from another directory than this HOME and XDG_CONFIG_HOME say", report.Elsewhere))
	}
	for _, d := range report.DropIns {
		res.Warnings = append(res.Warnings, "left the drop-in "+d+", which is not ours")
	}
	return res, nil
}

func (a *app) serviceStart(ctx context.Context, s unitService, _ *cli.Command) (serviceResult, error) {
	_, _, down := control.Find(s.profile)
	stranger := s.stranger()
	if errors.Is(down, control.ErrNone) && stranger != nil {
		return serviceResult{}, stranger
	}
	if s.installed(ctx) && stranger == nil {
		if _, foreign := s.foreignSupervisor(ctx); !foreign {
			if err := a.startUnit(ctx, s); err != nil {
				return serviceResult{}, err
			}
		}
	}
	return s.bySupervisor(ctx, (*control.Client).Start, "started", s.hints())
}

// startUnit has the manager start the unit. One that runs needs nobody's leave to stay up.
func (a *app) startUnit(ctx context.Context, s unitService) error {
	state, err := s.host.State(ctx, s.unit)
	up := err == nil && state.ActiveState == "active"
	if !up {
		if err := a.mayManage(s, "start"); err != nil {
			return err
		}
	}
	if err := wish(s.profile, control.WantRunning); err != nil || up {
		return err
	}
	return s.start(ctx)
}

func (a *app) serviceStop(ctx context.Context, s unitService, _ *cli.Command) (serviceResult, error) {
	stranger := s.stranger()
	installed := s.installed(ctx) && stranger == nil
	if installed {
		if err := a.mayManage(s, "stop"); err != nil {
			return serviceResult{Hints: []string{"To stop the gateway alone, which any supervisor of yours does: " + hint(s.profile, "supervisor stop "+s.profile.Name)}}, err
		}
	}
	res, err := s.bySupervisor(ctx, (*control.Client).Stop, "stopped", nil)
	if err == nil && stranger != nil && res.Result == notLoaded {
		return serviceResult{}, stranger
	}
	if err != nil || !installed {
		return res, err
	}
	if _, foreign := s.foreignSupervisor(ctx); foreign {
		return res, nil
	}
	if err := wish(s.profile, control.WantStopped); err != nil {
		return res, err
	}
	if err := s.stop(ctx); err != nil {
		return res, err
	}
	return serviceResult{Result: "stopped", Message: "Stopped " + s.words().noun + " service: " + s.unit.Name}, nil
}

func (a *app) serviceRestart(ctx context.Context, s unitService, _ *cli.Command) (serviceResult, error) {
	_, _, err := control.Find(s.profile)
	if errors.Is(err, control.ErrNone) && s.installed(ctx) {
		// A unit that is down: starting it is what a restart comes to.
		res, err := a.serviceStart(ctx, s, nil)
		if err == nil && res.Result != notLoaded {
			res.Result, res.Message = "restarted", "Restarted profile "+s.profile.Name
		}
		return res, err
	}
	return s.bySupervisor(ctx, (*control.Client).Restart, "restarted", s.hints())
}

// notLoaded is the result of a verb that found nothing to act on.
const notLoaded = "not-loaded"

// bySupervisor asks the supervisor that holds the profile. Without one the
// result is "not-loaded", which is no error, with hints what to type.
func (s unitService) bySupervisor(ctx context.Context, do func(*control.Client, context.Context, string) error, done string, hints []string) (serviceResult, error) {
	client, info, err := control.Find(s.profile)
	if errors.Is(err, control.ErrNone) {
		if h, ok := statelock.Find(s.profile); ok {
			return serviceResult{Result: notLoaded, Message: fmt.Sprintf("The gateway of profile %s runs by hand as pid %d, without a supervisor.", s.profile.Name, h.PID),
				Hints: []string{fmt.Sprintf("End it with Ctrl-C in its terminal, or: kill %d", h.PID)}}, nil
		}
		return serviceResult{Result: notLoaded, Message: "Gateway service " + s.words().off + ", and no supervisor runs profile " + s.profile.Name + ".", Hints: hints}, nil
	}
	if err == nil {
		err = do(client, ctx, s.profile.Name)
	}
	if later, ok := errors.AsType[*control.LaterError](err); ok {
		return serviceResult{Result: "scheduled", Message: later.Error()}, nil
	}
	if err != nil {
		return serviceResult{}, err
	}
	past := map[string]string{"started": "Started", "stopped": "Stopped", "restarted": "Restarted"}[done]
	return serviceResult{Result: done, Message: fmt.Sprintf("%s profile %s (supervisor pid %d%s)", past, s.profile.Name, info.PID, unitNote(info.Unit))}, nil
}

// hints are the command lines that start a gateway which nothing runs.
func (s unitService) hints() []string {
	install := "gateway install"
	if s.machines() {
		install += " --system"
		if s.site.account.UID == 0 {
			install += " --user NAME" // root only if it is named
		}
	}
	return []string{
		"Start with: " + hint(s.profile, install),
		"Or in the foreground: " + hint(s.profile, "gateway"),
	}
}

// wish records what a person asked for, so that the next start of a supervisor knows.
func wish(p profiles.Profile, want string) error {
	if err := os.MkdirAll(p.StateDir, 0o700); err != nil {
		return err
	}
	return control.Wish(p, want)
}
