package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/supervisor/control"
)

func (a *app) reloadCommand() *cli.Command {
	return &cli.Command{
		Name: "reload", Usage: "have the supervisors read the registry anew; gateways whose profile is the same are left alone",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "only print what would change"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			return a.reload(ctx, c.Bool("dry-run"), c.Bool("json"))
		},
	}
}

func (a *app) reload(ctx context.Context, dry, asJSON bool) error {
	clients, err := a.supervisors()
	if err != nil {
		return err
	}
	var errs []error
	plans := []control.Plan{}
	for _, client := range clients {
		plan, err := client.Reload(ctx, true)
		if err == nil {
			if !asJSON {
				a.printReload(plan)
			}
			if !dry {
				plan, err = client.Reload(ctx, false)
			}
		}
		plans = append(plans, plan)
		errs = append(errs, err)
	}
	if asJSON {
		errs = append(errs, a.printJSON(plans))
	}
	return errors.Join(errs...)
}

func (a *app) printReload(p control.Plan) {
	for _, part := range []struct {
		word  string
		names []string
	}{{"start", p.Added}, {"replace", p.Changed}, {"stop", p.Removed}, {"leave alone", p.Kept}} {
		if len(part.names) > 0 {
			fmt.Fprintf(a.stdout, "%s: %s\n", part.word, strings.Join(part.names, ", "))
		}
	}
}
