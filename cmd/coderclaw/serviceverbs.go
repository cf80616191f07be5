package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/instance"
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
	verb := func(name, usage string, do func(context.Context, unitService, *cli.Command) (serviceResult, error), flags ...cli.Flag) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage,
			Flags:  append(flags, &cli.BoolFlag{Name: "json", Usage: "print JSON"}),
			Action: func(ctx context.Context, c *cli.Command) error { return a.serviceVerb(ctx, c, name, do) },
		}
	}
	return []*cli.Command{
		verb("install", "install the profile's service and start it", a.serviceInstall),
		verb("uninstall", "stop the profile's service and remove it", a.serviceUninstall),
		verb("start", "start the gateway, by its service where one is installed", a.serviceStart),
		verb("stop", "stop the gateway, and its service where one is installed", a.serviceStop),
		verb("restart", "replace the running gateway without refusing a client", a.serviceRestart),
	}
}

// serviceVerb runs one verb and prints its result in the form that was asked for.
func (a *app) serviceVerb(ctx context.Context, c *cli.Command, action string, do func(context.Context, unitService, *cli.Command) (serviceResult, error)) error {
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

func (a *app) serviceInstall(ctx context.Context, s unitService, c *cli.Command) (serviceResult, error) {
	if info, foreign := s.foreignSupervisor(ctx); foreign {
		return serviceResult{}, exitcode.With(exitcode.Busy, fmt.Errorf("profile %s is run by supervisor pid %d%s; end it first with: %s",
			s.profile.Name, info.PID, unitNote(info.Unit), stopHint(s.profile, info)))
	}
	if err := a.prepare(ctx, s.profile); err != nil {
		return serviceResult{}, err
	}
	check, err := a.checkProfile(ctx, s.profile)
	if err == nil {
		err = check.Problem
	}
	if err != nil {
		return serviceResult{}, fmt.Errorf("nothing was installed: %w", err)
	}
	if err := wish(s.profile, control.WantRunning); err != nil {
		return serviceResult{}, err
	}
	report, taken, err := a.install(ctx, s, servicegen.InstallOptions{Force: c.Bool("force"), Offline: true})
	if err != nil {
		return serviceResult{}, err
	}
	res := serviceResult{Result: "installed", Message: "Installed " + s.words().noun + " service: " + firstOf(report.Path, s.unit.Name)}
	if !report.Wrote && !report.Enabled && !report.Started {
		res.Result, res.Message = "already-installed", "Gateway service already "+s.words().on+": "+firstOf(report.Path, s.unit.Name)
	}
	if report.TakenOver != "" {
		res.Warnings = append(res.Warnings, "replaced a service file that was not ours; to give it back: "+hint(s.profile, "doctor undo "+taken))
	}
	for _, d := range report.DropIns {
		res.Warnings = append(res.Warnings, "kept the drop-in "+d+", which changes what the unit says")
	}
	if report.Pending {
		res.Warnings = append(res.Warnings, "no service manager answers here, so the gateway starts with the next login; to start it without one: loginctl enable-linger")
		return res, nil
	}
	res.Hints = append(res.Hints, "Logs: "+s.profile.LogDir())
	return res, s.untilReady(ctx)
}

// foreignSupervisor tells of a supervisor of the profile that its unit did not start.
func (s unitService) foreignSupervisor(ctx context.Context) (control.LockInfo, bool) {
	_, info, err := control.Find(s.profile)
	if err != nil || info.Unit == s.unit.Name {
		return info, false
	}
	state, err := s.host.State(ctx, s.unit) // not every manager tells its children who they are
	return info, err != nil || state.MainPID != info.PID
}

// readyLimit is how long a service verb waits for the gateway behind a service to become ready.
const readyLimit = 30 * time.Second

// untilReady waits until the gateway of the service is ready, and says why when it will not be.
func (s unitService) untilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	client, _, err := control.Find(s.profile)
	if err != nil {
		return fmt.Errorf("the service runs, but its supervisor cannot be reached: %w", err)
	}
	last := control.Instance{}
	err = client.Watch(ctx, func(st control.Status) {
		for _, i := range st.Instances {
			if i.Profile == s.profile.Name {
				last = i
			}
		}
		if settled(last.State) {
			cancel()
		}
	})
	switch {
	case last.State == instance.Ready:
		return nil
	case last.State != "":
		return fmt.Errorf("the service is installed and its supervisor runs, but the gateway is %s: %s", last.State, last.Reason)
	default:
		return fmt.Errorf("the service runs, but its supervisor does not answer: %w", err)
	}
}

// settled tells whether an instance that is to run stays in this state for a
// while. One that is stopped is about to be started.
func settled(s instance.State) bool {
	switch s {
	case instance.Ready, instance.Blocked, instance.Quarantined, instance.BackingOff:
		return true
	}
	return false
}

func (a *app) serviceUninstall(ctx context.Context, s unitService, c *cli.Command) (serviceResult, error) {
	report, err := servicegen.Uninstall(ctx, s.host, s.unit, servicegen.UninstallOptions{Force: c.Bool("force"), Offline: true})
	if err != nil {
		return serviceResult{}, err
	}
	res := serviceResult{Result: "uninstalled", Message: "Removed " + s.words().noun + " service: " + firstOf(report.Path, s.unit.Name)}
	if !report.Found {
		res.Message = fmt.Sprintf("%s service not found at %s", s.words().noun, firstOf(report.Path, s.unit.Name))
	}
	for _, d := range report.DropIns {
		res.Warnings = append(res.Warnings, "left the drop-in "+d+", which is not ours")
	}
	return res, nil
}

func (a *app) serviceStart(ctx context.Context, s unitService, _ *cli.Command) (serviceResult, error) {
	if s.installed(ctx) {
		if _, foreign := s.foreignSupervisor(ctx); !foreign {
			if err := wish(s.profile, control.WantRunning); err != nil {
				return serviceResult{}, err
			}
			if err := s.host.Start(ctx, s.unit); err != nil {
				return serviceResult{}, err
			}
		}
	}
	return s.bySupervisor(ctx, (*control.Client).Start, "started", s.hints())
}

func (a *app) serviceStop(ctx context.Context, s unitService, _ *cli.Command) (serviceResult, error) {
	res, err := s.bySupervisor(ctx, (*control.Client).Stop, "stopped", nil)
	if err != nil || !s.installed(ctx) {
		return res, err
	}
	if _, foreign := s.foreignSupervisor(ctx); foreign {
		return res, nil
	}
	if err := wish(s.profile, control.WantStopped); err != nil {
		return res, err
	}
	if err := s.host.Stop(ctx, s.unit); err != nil {
		return res, err
	}
	return serviceResult{Result: "stopped", Message: "Stopped " + s.words().noun + " service: " + s.unit.Name}, nil
}

func (a *app) serviceRestart(ctx context.Context, s unitService, _ *cli.Command) (serviceResult, error) {
	_, _, err := control.Find(s.profile)
	if errors.Is(err, control.ErrNone) && s.installed(ctx) {
		// A unit that is down: starting it is what a restart comes to.
		res, err := a.serviceStart(ctx, s, nil)
		if err == nil {
			res.Result, res.Message = "restarted", "Restarted profile "+s.profile.Name
		}
		return res, err
	}
	return s.bySupervisor(ctx, (*control.Client).Restart, "restarted", s.hints())
}

// bySupervisor asks the supervisor that holds the profile. Without one the
// result is "not-loaded", which is no error, with hints what to type.
func (s unitService) bySupervisor(ctx context.Context, do func(*control.Client, context.Context, string) error, done string, hints []string) (serviceResult, error) {
	client, info, err := control.Find(s.profile)
	if errors.Is(err, control.ErrNone) {
		if h, ok := statelock.Find(s.profile); ok {
			return serviceResult{Result: "not-loaded", Message: fmt.Sprintf("The gateway of profile %s runs by hand as pid %d, without a supervisor.", s.profile.Name, h.PID),
				Hints: []string{fmt.Sprintf("End it with Ctrl-C in its terminal, or: kill %d", h.PID)}}, nil
		}
		return serviceResult{Result: "not-loaded", Message: "Gateway service " + s.words().off + ", and no supervisor runs profile " + s.profile.Name + ".", Hints: hints}, nil
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
	return []string{
		"Start with: " + hint(s.profile, "gateway install"),
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
