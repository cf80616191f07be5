package main

import (
	"context"
	"encoding/json"

	"github.com/urfave/cli/v3"
)

func (a *app) systemCommand() *cli.Command {
	return &cli.Command{
		Name:  "system",
		Usage: "what the running gateway knows of its surroundings",
		Commands: []*cli.Command{
			{Name: "presence", Usage: "the programs that are connected, or were until lately; always JSON", Flags: clientFlags(false), Action: a.printCall("system-presence", nil)},
		},
	}
}

// printCall is the action that makes one request and prints its result as it is.
func (a *app) printCall(method string, params any) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		t, err := a.target(c)
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := a.call(ctx, t, "cli", method, params, &raw); err != nil {
			return err
		}
		return a.printJSON(raw)
	}
}
