package main

import (
	"context"
	"fmt"
	"path/filepath"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

func (a *app) setupCommand() *cli.Command {
	return &cli.Command{
		Name:  "setup",
		Usage: "create config, state dir, logs and workspace of a profile; changes nothing that exists",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "workspace", Usage: "keep the agent workspace in `DIR`"},
			&cli.StringFlag{Name: "port", Usage: "write gateway.port `N` into the config"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			p, r, err := a.profile()
			if err != nil {
				return err
			}
			o := config.SetupOptions{Workspace: c.String("workspace"), PassEnv: a.env}
			if o.Workspace != "" {
				moved := p
				if moved.Workspace, err = filepath.Abs(o.Workspace); err != nil {
					return err
				}
				if err := r.Apart(moved); err != nil {
					return usageError("--workspace: %v", err)
				}
			}
			if c.IsSet("port") {
				if o.Port, err = profiles.ParsePort(c.String("port")); err != nil {
					return fmt.Errorf("--port: %w", err)
				}
				if err := a.blockIsOwn(r, p, o.Port); err != nil {
					return usageError("--port: %v; choose another", err)
				}
			}
			return a.setup(ctx, p, o)
		},
	}
}

// setup prepares p and says what it made and what it kept.
func (a *app) setup(ctx context.Context, p profiles.Profile, o config.SetupOptions) error {
	report, err := config.Setup(ctx, p, o)
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	for _, e := range report.Entries {
		note := ""
		if e.Note != "" {
			note = " (" + e.Note + ")"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s%s\n", e.Action, e.What, e.Path, note)
	}
	if err := tw.Flush(); err != nil {
		return exitcode.With(exitcode.Failed, err)
	}
	fmt.Fprintf(a.stdout, "\nStart it with: %s\n", hint(p, "gateway"))
	return nil
}
