package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func (a *app) resultCommand() *cli.Command {
	return &cli.Command{
		Name: "result", Usage: "what became of a restart that was carried out after its caller had gone", ArgsUsage: "RESTART-ID",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() != 1 {
				return usageError("supervisor result takes one RESTART-ID, got %d", c.Args().Len())
			}
			return a.result(ctx, c.Args().First(), c.Bool("json"))
		},
	}
}

func (a *app) result(ctx context.Context, id string, asJSON bool) error {
	clients, err := a.supervisors()
	if err != nil {
		return err
	}
	var last error
	for _, client := range clients {
		r, err := client.Restarted(ctx, id)
		if err != nil {
			last = err
			continue
		}
		switch {
		case asJSON:
			if err := a.printJSON(r); err != nil {
				return err
			}
		case !r.Done:
			fmt.Fprintf(a.stdout, "%s is being restarted since %s\n", r.Profile, r.Asked.Local().Format(time.TimeOnly))
		case r.OK:
			fmt.Fprintf(a.stdout, "%s ready since %s\n", r.Profile, r.Ended.Local().Format(time.TimeOnly))
		default:
			fmt.Fprintf(a.stdout, "%s was not restarted: %s\n", r.Profile, r.Error)
		}
		if r.Done && !r.OK {
			return quiet(exitcode.Failed)
		}
		return nil
	}
	return last
}

// supervisors are those that hold a profile of the registry, each once.
func (a *app) supervisors() ([]*control.Client, error) {
	r, err := a.registry()
	if err != nil {
		return nil, err
	}
	var out []*control.Client
	seen := map[int]bool{}
	for _, p := range r.List() {
		client, info, err := control.Find(p)
		if err != nil || seen[info.PID] {
			continue
		}
		seen[info.PID] = true
		out = append(out, client)
	}
	if len(out) == 0 {
		return nil, exitcode.With(exitcode.NotRunning, errors.New("no supervisor is running; start one with: coderclaw up"))
	}
	return out, nil
}

func (a *app) eventsCommand() *cli.Command {
	return &cli.Command{
		Name: "events", Usage: "every change of state that is remembered, with its reason",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Usage: "go on with those to come"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON, a line each"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			return a.events(ctx, c.Bool("follow"), c.Bool("json"))
		},
	}
}

func (a *app) events(ctx context.Context, follow, asJSON bool) error {
	clients, err := a.supervisors()
	if err != nil {
		return err
	}
	var printing sync.Mutex
	show := func(e control.Event) {
		printing.Lock()
		defer printing.Unlock()
		if asJSON {
			line, _ := json.Marshal(e) // it came as JSON
			fmt.Fprintf(a.stdout, "%s\n", line)
			return
		}
		fmt.Fprintf(a.stdout, "%s  %-10s %s → %s  %s\n", e.At.Local().Format(time.DateTime), e.Profile, e.From, e.To, e.Reason)
	}
	errs := make([]error, len(clients))
	var all sync.WaitGroup
	for i, client := range clients {
		all.Go(func() {
			if errs[i] = client.Events(ctx, 0, follow, show); ctx.Err() != nil {
				errs[i] = nil // Ctrl-C ends a look
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
