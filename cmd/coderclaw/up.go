package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"syscall"
	"time"

	"github.com/lmittmann/tint"
	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func (a *app) upCommand() *cli.Command {
	return &cli.Command{
		Name:      "up",
		Usage:     "create what is missing and keep the gateways running until Ctrl-C",
		ArgsUsage: "[PROFILE...]",
		Description: "Without a name it runs every profile of the registry: default, dev, rescue and your own.\n" +
			"A name that the registry does not know becomes a new profile with a free port block.",
		Action: func(ctx context.Context, c *cli.Command) error { return a.up(ctx, c.Args().Slice()) },
	}
}

func (a *app) up(ctx context.Context, names []string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	if err := a.createMissing(ctx, names); err != nil {
		return err
	}
	r, err := a.registry()
	if err != nil {
		return err
	}
	ps, err := a.named(r, names)
	if err != nil {
		return err
	}
	for _, p := range ps {
		if err := a.prepare(ctx, p); err != nil {
			return err
		}
	}
	log := slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: slog.LevelInfo, TimeFormat: time.TimeOnly, NoColor: !a.colour()}))
	var live *liveTable
	if isTerminal(a.stdout) {
		live = newLiveTable(a.stdout, func() int { return terminalWidth(a.stdout) })
		log = slog.New(slog.DiscardHandler) // the table shows the same, and lines would tear it
	}
	o, err := a.supervisorOptions(r, ps, "up", log)
	if err != nil {
		return err
	}
	if live != nil {
		o.OnStatus = live.show
	} else {
		lines := newPrefixer(a.stdout, ps)
		o.Lines = lines.print
		o.OnStatus = a.statusLines()
	}
	s, err := supervisor.New(o)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// createMissing adds the named profiles that the registry does not know.
func (a *app) createMissing(ctx context.Context, names []string) error {
	r, err := a.registry()
	if err != nil {
		return err
	}
	for _, name := range names {
		parsed, err := profiles.ParseName(name)
		if err != nil {
			return err
		}
		_, err = r.Get(parsed)
		if _, unknown := errors.AsType[*profiles.UnknownError](err); !unknown {
			continue
		}
		p, err := a.createProfile(ctx, parsed, profiles.CreateOptions{})
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "created profile %s with ports %d to %d\n", p.Name, p.Port, p.Block().Last())
	}
	return nil
}

// statusLines prints one line for each change of an instance.
func (a *app) statusLines() func(control.Status) {
	last := map[string]string{}
	return func(s control.Status) {
		for _, i := range s.Instances {
			line := fmt.Sprintf("%s %s", i.State, i.Reason)
			if last[i.Profile] == line {
				continue
			}
			last[i.Profile] = line
			fmt.Fprintf(a.stdout, "%-10s %s%s\n", i.Profile, i.State, details(i))
		}
	}
}

func details(i control.Instance) string {
	switch {
	case i.State == "ready":
		return fmt.Sprintf(" on %s, pid %d", i.URL, i.PID)
	case i.Reason != "":
		return ": " + i.Reason
	default:
		return ""
	}
}

func (a *app) downCommand() *cli.Command {
	return &cli.Command{
		Name:  "down",
		Usage: "end the supervisors that `up` started; services stay",
		Action: func(ctx context.Context, _ *cli.Command) error {
			r, err := a.registry()
			if err != nil {
				return err
			}
			return a.down(ctx, r)
		},
	}
}

func (a *app) down(ctx context.Context, r *profiles.Registry) error {
	ended := map[int]bool{}
	for _, p := range r.List() {
		client, info, err := control.Find(p)
		if errors.Is(err, control.ErrNone) || ended[info.PID] {
			continue
		}
		if err != nil {
			return fmt.Errorf("profile %s: %w", p.Name, err)
		}
		if info.Origin != "up" {
			fmt.Fprintf(a.stderr, "left supervisor pid %d%s of profile %s alone; to stop it: %s\n",
				info.PID, unitNote(info.Unit), p.Name, stopHint(p, info))
			continue
		}
		if err := client.Shutdown(ctx); err != nil {
			return fmt.Errorf("supervisor pid %d: %w", info.PID, err)
		}
		if err := waitGone(ctx, info, p.StopTimeout()); err != nil {
			return err
		}
		ended[info.PID] = true
		fmt.Fprintf(a.stdout, "ended supervisor pid %d\n", info.PID)
	}
	if len(ended) == 0 {
		fmt.Fprintln(a.stderr, "nothing that `coderclaw up` started is running")
		return quiet(exitcode.NotRunning)
	}
	return nil
}
