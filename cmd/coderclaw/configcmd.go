package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

func (a *app) configCommand() *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "look into the config of a profile",
		Commands: []*cli.Command{{
			Name: "get", Usage: "print the value at a path such as gateway.port", ArgsUsage: "PATH",
			Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON, scalars too"}},
			Action: func(_ context.Context, c *cli.Command) error {
				if c.Args().Len() != 1 {
					return usageError("config get takes one PATH, got %d", c.Args().Len())
				}
				return a.configGet(c.Args().First(), c.Bool("json"))
			},
		}},
	}
}

// configOf reads the config of p, and what its variables are looked up in. What it
// says may be invalid.
func (a *app) configOf(p profiles.Profile) (*config.Snapshot, profiles.Lookup, error) {
	lookup, _, err := config.Environment(p, a.env)
	if err != nil {
		return nil, nil, err
	}
	snap, err := config.LoadProfile(p, lookup)
	return snap, lookup, err
}

// configGet prints one value with its secrets shown as the redaction sentinel.
func (a *app) configGet(path string, asJSON bool) error {
	p, _, err := a.profile()
	if err != nil {
		return err
	}
	snap, _, err := a.configOf(p)
	if err != nil {
		return err
	}
	if err := snap.Err(); err != nil {
		return err
	}
	v, ok, err := snap.Get(path)
	if err != nil {
		return exitcode.With(exitcode.Usage, err)
	}
	if !ok {
		//lint:ignore ST1005 the text is fixed from outside; scripts match it
		return fmt.Errorf("Config path not found: %s", path)
	}
	if asJSON {
		return a.printJSON(v)
	}
	switch v := v.(type) {
	case map[string]any, []any:
		return a.printJSON(v)
	case string:
		fmt.Fprintln(a.stdout, v)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s\n", text)
	}
	return nil
}
