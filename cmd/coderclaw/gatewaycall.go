package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v3"
)

func (a *app) gatewayCallCommand() *cli.Command {
	return &cli.Command{
		Name: "call", Usage: "make one request of the running gateway and print its result", ArgsUsage: "METHOD",
		Flags:  append(clientFlags(true), &cli.StringFlag{Name: "params", Usage: "the parameters, a JSON `OBJECT`", Value: "{}"}),
		Action: a.gatewayCall,
	}
}

func (a *app) gatewayCall(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usageError("gateway call takes one METHOD, got %d", c.Args().Len())
	}
	method, params := c.Args().First(), json.RawMessage(c.String("params"))
	var object map[string]json.RawMessage
	if err := json.Unmarshal(params, &object); err != nil || object == nil {
		return usageError("--params must be a JSON object, got %q", params)
	}
	t, err := a.target(c)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := a.call(ctx, t, "cli", method, params, &raw); err != nil {
		//lint:ignore ST1005 the text is fixed from outside; scripts match it
		return fmt.Errorf("Gateway call failed: %w", err)
	}
	if !c.Bool("json") {
		fmt.Fprintf(a.stdout, "Gateway call: %s\n", method)
	}
	return a.printJSON(raw)
}
