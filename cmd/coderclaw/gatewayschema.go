package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway"
)

func (a *app) gatewaySchemaCommand() *cli.Command {
	return &cli.Command{
		Name: "schema", Usage: "print the JSON Schema of the requests, results and events of a gateway of this version",
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Present() {
				return usageError("gateway schema takes no arguments, got %q", c.Args().First())
			}
			text, err := gateway.Schema()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}
