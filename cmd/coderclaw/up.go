package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	in, err := a.inherited()
	if err != nil {
		return err
	}
	if in == nil { // else what is missing was removed since
		if err := a.createMissing(ctx, names); err != nil {
			return err
		}
	}
	choose := func(r *profiles.Registry, running []string) ([]profiles.Profile, error) {
		return a.stillNamed(r, names, running)
	}
	r, err := a.registry()
	if err != nil {
		return err
	}
	ps, err := choose(r, in.Names())
	if err != nil {
		return err
	}
	for _, p := range ps {
		if err := a.prepare(ctx, p); err != nil {
			return err
		}
	}
	defer survivePipes()()
	stdout, stderr := newConsole(a.stdout), newConsole(a.stderr)
	defer stdout.Close()
	defer stderr.Close()
	log := slog.New(tint.NewTextHandler(stderr, &tint.Options{Level: slog.LevelInfo, TimeFormat: time.TimeOnly, NoColor: !a.colour()}))
	var live *liveTable
	if isTerminal(a.stdout) {
		live = newLiveTable(stdout, func() (int, int) { return terminalSize(a.stdout) })
		log = slog.New(live.handler()) // lines of their own would tear the table
	}
	o, err := a.supervisorOptions(r, ps, len(names) == 0, supervisor.OriginUp, log)
	if err != nil {
		return err
	}
	o.Inherited, o.Successor = in, a.successor(o, choose)
	o.Flush = func() {
		stdout.flush()
		stderr.flush()
	}
	if live != nil {
		o.OnStatus = live.show
	} else {
		o.Lines = newPrefixer(stdout, ps).print
		o.OnStatus = statusLines(stdout)
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
func statusLines(w io.Writer) func(control.Status) {
	last := map[string]string{}
	return func(s control.Status) {
		for _, i := range s.Instances {
			line := fmt.Sprintf("%s %s", i.State, i.Reason)
			if last[i.Profile] == line {
				continue
			}
			last[i.Profile] = line
			fmt.Fprintf(w, "%-10s %s%s\n", i.Profile, i.State, details(i))
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

// longestStop is how long the slowest of the profiles may take to stop: a
// supervisor stops its own at once and beside each other.
func longestStop(r *profiles.Registry) time.Duration {
	var longest time.Duration
	for _, p := range r.List() {
		longest = max(longest, p.StopTimeout())
	}
	return longest
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
		if info.Origin != supervisor.OriginUp {
			fmt.Fprintf(a.stderr, "left supervisor pid %d%s of profile %s alone; to stop it: %s\n",
				info.PID, unitNote(info.Unit), p.Name, stopHint(p, info))
			continue
		}
		if err := client.Shutdown(ctx); err != nil {
			return fmt.Errorf("supervisor pid %d: %w", info.PID, err)
		}
		if err := waitGone(ctx, info, longestStop(r)); err != nil {
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
