package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func (a *app) systemCommand() *cli.Command {
	return &cli.Command{
		Name:  "system",
		Usage: "what the running gateway knows of its surroundings",
		Commands: []*cli.Command{
			{Name: "presence", Usage: "the programs that are connected, or were until lately; always JSON", Flags: clientFlags(false), Action: a.printCall("system-presence", nil)},
			{
				Name: "event", Usage: "leave a note for the agent, which it is told when it next runs",
				Flags: append(clientFlags(false),
					&cli.StringFlag{Name: "text", Usage: "the `TEXT` of the note"},
					&cli.StringFlag{Name: "mode", Usage: "wake the agent `WHEN`: now or next-heartbeat", Value: protocol.WakeNextHeartbeat}),
				Action: a.systemEvent,
			},
			{
				Name: "heartbeat", Usage: "the waking of the agent by itself; always JSON",
				Commands: []*cli.Command{
					{Name: "last", Usage: "what came of the last heartbeat, null before the first", Flags: clientFlags(false), Action: a.printCall("last-heartbeat", nil)},
					{Name: "enable", Usage: "let heartbeats come due", Flags: clientFlags(false), Action: a.printCall("set-heartbeats", map[string]bool{"enabled": true})},
					{Name: "disable", Usage: "let no heartbeat come due until the gateway starts anew", Flags: clientFlags(false), Action: a.printCall("set-heartbeats", map[string]bool{"enabled": false})},
				},
			},
		},
	}
}

func (a *app) systemEvent(ctx context.Context, c *cli.Command) error {
	p := protocol.WakeParams{Mode: strings.TrimSpace(c.String("mode")), Text: strings.TrimSpace(c.String("text"))}
	if p.Text == "" {
		return errors.New("--text is required")
	}
	if !slices.Contains(protocol.Enum("WakeModes"), p.Mode) {
		return errors.New("--mode must be now or next-heartbeat")
	}
	return askGateway(ctx, a, c, "wake", p, func(protocol.OK) error {
		fmt.Fprintln(a.stdout, "ok")
		return nil
	})
}

// printCall is the action that makes one request and prints its result as it is.
func (a *app) printCall(method string, params any) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		return askGateway(ctx, a, c, method, params, func(raw json.RawMessage) error { return a.printJSON(raw) })
	}
}
