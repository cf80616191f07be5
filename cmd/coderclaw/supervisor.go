package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/lmittmann/tint"
	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/journallog"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func (a *app) supervisorCommand() *cli.Command {
	verb := func(name, usage string, do func(*control.Client, context.Context, string) error, done string) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage, ArgsUsage: "[PROFILE...]",
			Action: func(ctx context.Context, c *cli.Command) error {
				return a.supervisorVerb(ctx, c.Args().Slice(), do, done)
			},
		}
	}
	return &cli.Command{
		Name:  "supervisor",
		Usage: "run a supervisor, or tell a running one what to do",
		Commands: []*cli.Command{
			{
				Name: "run", Usage: "supervise profiles in the foreground; what a unit starts", ArgsUsage: "[PROFILE...]",
				Flags: []cli.Flag{
					// `supervisor run --profile P` is what units hold, so the flag is accepted behind the verb as well.
					&cli.StringSliceFlag{Name: "profile", Usage: "supervise profile `NAME`"},
					&cli.BoolFlag{Name: "all", Usage: "supervise every profile of the registry"},
				},
				Action: func(ctx context.Context, c *cli.Command) error {
					return a.supervisorRun(ctx, append(c.StringSlice("profile"), c.Args().Slice()...), c.Bool("all"))
				},
			},
			verb("start", "start stopped gateways", (*control.Client).Start, "ready"),
			verb("stop", "stop gateways; they stay stopped", (*control.Client).Stop, "stopped"),
			verb("restart", "replace gateways and wait until they are ready", (*control.Client).Restart, "ready"),
			a.reloadCommand(),
			a.resultCommand(),
			a.eventsCommand(),
			a.metricsCommand(),
			a.reexecCommand(),
			{
				Name: "status", Usage: "what the supervisors run", ArgsUsage: "[PROFILE...]",
				Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
				Action: func(ctx context.Context, c *cli.Command) error {
					r, err := a.registry()
					if err != nil {
						return err
					}
					ps, err := a.named(r, c.Args().Slice())
					if err != nil {
						return err
					}
					return a.ps(ctx, askNow, r.List(), ps, c.Bool("json"))
				},
			},
		},
	}
}

// supervisorRun supervises the named profiles, else all, else the selected one.
func (a *app) supervisorRun(ctx context.Context, names []string, all bool) error {
	if all && len(names) > 0 {
		return usageError("--all and single profiles exclude each other")
	}
	in, err := a.inherited()
	if err != nil {
		return err
	}
	sockets, err := a.activated(in)
	if err != nil {
		return err
	}
	choose := func(r *profiles.Registry, running []string) ([]profiles.Profile, error) {
		switch {
		case all:
			return r.List(), nil
		case len(names) == 0:
			p, err := profiles.SelectRegistered(r, a.selection())
			return []profiles.Profile{p}, err
		}
		return a.stillNamed(r, names, running)
	}
	r, ps, err := a.readable(ctx, func(r *profiles.Registry) ([]profiles.Profile, error) { return choose(r, in.Names()) })
	if err != nil {
		return err
	}
	defer survivePipes()()
	stderr := newConsole(a.stderr)
	defer stderr.Close()
	log, closeLog := a.serviceLog(stderr)
	defer closeLog()
	o, err := a.supervisorOptions(r, ps, all, supervisor.OriginRun, log)
	if err != nil {
		return err
	}
	o.Inherited, o.Activated, o.Flush, o.Successor = in, sockets, stderr.flush, a.successor(o, choose)
	s, err := supervisor.New(o)
	if err != nil {
		return err
	}
	return runSupervisor(ctx, s)
}

// readableEvery is how often launchd's supervisor looks at a registry that cannot be read.
const readableEvery = time.Second

// readable reads the registry and chooses from it. Where that fails, launchd would
// start the process again and again, having no status that says that it will never
// work; so below launchd the process stays, says why, and looks again.
func (a *app) readable(ctx context.Context, choose func(*profiles.Registry) ([]profiles.Profile, error)) (*profiles.Registry, []profiles.Profile, error) {
	label, _ := a.env("XPC_SERVICE_NAME")
	said := ""
	tick := time.NewTicker(readableEvery)
	defer tick.Stop()
	for {
		r, err := a.registry()
		if err == nil {
			var ps []profiles.Profile
			if ps, err = choose(r); err == nil {
				return r, ps, nil
			}
		}
		if label == "" || label == "0" {
			return nil, nil, err
		}
		if why := err.Error(); why != said {
			fmt.Fprintf(a.stderr, "coderclaw: no gateway is run until this is mended: %s\n", why)
			said = why
		}
		select {
		case <-ctx.Done():
			return nil, nil, err
		case <-tick.C:
		}
	}
}

// serviceLog is for the supervisor's own lines: they become entries of the journal
// where stderr leads there, else lines on w, which leads to stderr. The log is to be
// closed before w.
func (a *app) serviceLog(w io.Writer) (log *slog.Logger, closeLog func()) {
	if journaled, err := journal.StderrIsJournalStream(); err != nil || !journaled || !journal.Enabled() {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: slog.LevelInfo, TimeFormat: time.TimeOnly, NoColor: !a.colour()})), func() {}
	}
	entries := journallog.New("coderclaw", journal.Send, w)
	go entries.Run() // Close waits for it
	return slog.New(entries.Handler(slog.LevelInfo)), entries.Close
}

// supervisorVerb does the same to each named profile, asking the supervisor that holds it.
func (a *app) supervisorVerb(ctx context.Context, names []string, do func(*control.Client, context.Context, string) error, done string) error {
	r, err := a.registry()
	if err != nil {
		return err
	}
	explicit := len(names) > 0 || a.profileFlag != "" || a.devFlag
	ps, err := a.named(r, names)
	if err != nil {
		return err
	}
	var failed []error
	acted := 0
	for _, p := range ps {
		client, _, err := control.Find(p)
		if errors.Is(err, control.ErrNone) {
			if explicit {
				failed = append(failed, exitcode.With(exitcode.NotRunning,
					fmt.Errorf("no supervisor runs profile %s; start one with: coderclaw up %s", p.Name, p.Name)))
			}
			continue
		}
		acted++
		if err == nil {
			err = do(client, ctx, p.Name)
		}
		if later, ok := errors.AsType[*control.LaterError](err); ok {
			fmt.Fprintln(a.stdout, later)
			continue
		}
		if err != nil {
			failed = append(failed, exitcode.With(exitcode.Failed, err))
			continue
		}
		fmt.Fprintf(a.stdout, "%s %s\n", p.Name, done)
	}
	if acted == 0 && len(failed) == 0 {
		return exitcode.With(exitcode.NotRunning, errors.New("no supervisor is running; start one with: coderclaw up"))
	}
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}

// unitNote and stopHint describe a supervisor to people.
func unitNote(unit string) string {
	if unit == "" {
		return ""
	}
	return " of unit " + unit
}

func stopHint(p profiles.Profile, info control.LockInfo) string {
	switch {
	case info.Unit != "":
		return hint(p, "gateway stop")
	case info.Origin == supervisor.OriginUp:
		return "coderclaw down"
	default:
		return fmt.Sprintf("kill %d", info.PID)
	}
}

// waitGone waits until the supervisor that wrote info has ended.
func waitGone(ctx context.Context, info control.LockInfo, limit time.Duration) error {
	return waitUntil(ctx, limit, func() (bool, error) {
		return !proctable.Alive(info.PID, info.StartTime), nil
	}, fmt.Sprintf("supervisor pid %d is still running", info.PID))
}
