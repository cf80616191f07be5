package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func (a *app) channelsCommand() *cli.Command {
	return &cli.Command{
		Name:  "channels",
		Usage: "the channels of the running gateway",
		Commands: []*cli.Command{{
			Name: "status", Usage: "what each channel's accounts do",
			Flags: append(clientFlags(false), &cli.BoolFlag{Name: "probe", Usage: "try each account now"}),
			Action: func(ctx context.Context, c *cli.Command) error {
				t, err := a.target(c)
				if err != nil {
					return err
				}
				params := protocol.ChannelsStatusParams{Probe: c.Bool("probe"), TimeoutMs: int(t.timeout.Milliseconds())}
				var raw json.RawMessage
				if err := a.call(ctx, t, "cli", "channels.status", params, &raw); err != nil {
					//lint:ignore ST1005 the text is fixed from outside; scripts match it
					return fmt.Errorf("Gateway not reachable: %w", err)
				}
				if c.Bool("json") {
					return a.printJSON(raw)
				}
				var res protocol.ChannelsStatusResult
				if err := json.Unmarshal(raw, &res); err != nil {
					return fmt.Errorf("channels.status: %w", err)
				}
				fmt.Fprintln(a.stdout, "Gateway reachable.")
				for _, id := range res.ChannelOrder {
					for _, acct := range res.ChannelAccounts[id] {
						fmt.Fprintf(a.stdout, "- %s %s: %s\n", firstOf(res.ChannelLabels[id], id), acct.AccountID, accountWords(acct))
					}
				}
				return nil
			},
		}},
	}
}

// accountWords lists what is true of an account.
func accountWords(acct protocol.AccountSnapshot) string {
	var words []string
	for _, f := range []struct {
		on   bool
		word string
	}{{acct.Enabled, "enabled"}, {acct.Configured, "configured"}, {acct.Linked, "linked"}, {acct.Running, "running"}, {acct.Connected, "connected"}} {
		if f.on {
			words = append(words, f.word)
		}
	}
	if acct.LastError != "" {
		words = append(words, "error: "+acct.LastError)
	}
	if len(words) == 0 {
		return "off"
	}
	return strings.Join(words, ", ")
}
