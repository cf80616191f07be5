package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func (a *app) metricsCommand() *cli.Command {
	return &cli.Command{
		Name: "metrics", Usage: "print a supervisor's metrics as Prometheus reads them; with PROFILE only what is about that one", ArgsUsage: "[PROFILE]",
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() > 1 {
				return usageError("metrics takes one profile, got %d", c.Args().Len())
			}
			return a.metrics(ctx, c.Args().Slice())
		},
	}
}

// metrics prints the metrics of the named or selected profile, else those of the
// one supervisor that runs: two expositions in a row are none.
func (a *app) metrics(ctx context.Context, names []string) error {
	r, err := a.registry()
	if err != nil {
		return err
	}
	ps, err := a.named(r, names)
	if err != nil {
		return err
	}
	profile := ""
	if len(names) > 0 || a.profileFlag != "" || a.devFlag {
		profile = ps[0].Name
	}
	client, err := oneSupervisor(ps)
	if errors.Is(err, control.ErrNone) {
		text := "no supervisor is running; start one with: coderclaw up"
		if profile != "" {
			text = fmt.Sprintf("no supervisor runs profile %s; start one with: coderclaw up %s", profile, profile)
		}
		return exitcode.With(exitcode.NotRunning, errors.New(text))
	}
	if err != nil {
		return err
	}
	var whole bytes.Buffer // half an exposition would be read as a whole one
	if err := client.Metrics(ctx, profile, &whole); err != nil {
		return err
	}
	_, err = whole.WriteTo(a.stdout)
	return err
}

// oneSupervisor finds the supervisor that runs some of ps. It returns
// control.ErrNone when there is none, and an error that names all when there are several.
func oneSupervisor(ps []profiles.Profile) (*control.Client, error) {
	var found *control.Client
	var list []string
	seen := map[int]bool{}
	for _, p := range ps {
		client, info, err := control.Find(p)
		if errors.Is(err, control.ErrNone) || seen[info.PID] && err == nil {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", p.Name, err)
		}
		seen[info.PID] = true
		found = client
		list = append(list, fmt.Sprintf("%s (pid %d)", p.Name, info.PID))
	}
	switch len(list) {
	case 0:
		return nil, control.ErrNone
	case 1:
		return found, nil
	}
	return nil, usageError("several supervisors run; name a profile of the one that is meant: %s", strings.Join(list, ", "))
}
