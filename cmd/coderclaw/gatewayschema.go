package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway"
)

func (a *app) gatewaySchemaCommand() *cli.Command {
	return &cli.Command{
		Name: "schema", Usage: "print the JSON Schema of the requests, results and events of a gateway of this version",
		Action: func(context.Context, *cli.Command) error {
			text, err := gateway.Schema()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}
