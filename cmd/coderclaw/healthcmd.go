package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func (a *app) healthCommand() *cli.Command {
	return &cli.Command{
		Name:   "health",
		Usage:  "ask the running gateway for its health",
		Flags:  append(clientFlags(false), &cli.BoolFlag{Name: "verbose", Usage: "probe the channels anew"}),
		Action: a.health,
	}
}

// gatewayHealthCommand is the same, where its flags stand between those of a gateway.
func (a *app) gatewayHealthCommand() *cli.Command {
	return &cli.Command{Name: "health", Usage: "ask the running gateway for its health", Flags: clientFlags(true), Action: a.health}
}

func (a *app) health(ctx context.Context, c *cli.Command) error {
	start := time.Now()
	return askGateway(ctx, a, c, "health", map[string]bool{"probe": c.Bool("verbose")}, func(h protocol.HealthSummary) error {
		a.printHealth(h, time.Since(start))
		return nil
	})
}

// siblingLines are what a rescue gateway knows of others, a line for each.
func siblingLines(s protocol.Siblings) []string {
	var lines []string
	for _, x := range s.Siblings {
		line := fmt.Sprintf("%s: %s", x.Profile, x.State)
		if !x.Since.IsZero() {
			line += " since " + localTime(x.Since)
		}
		lines = append(lines, fmt.Sprintf("%s: %s; see to it with: coderclaw rescue --repair %s", line, strings.Join(strings.Fields(x.Reason), " "), x.Profile))
	}
	if s.Unseen != "" {
		lines = append(lines, "unknown: "+strings.Join(strings.Fields(s.Unseen), " "))
	}
	return lines
}

func (a *app) printHealth(h protocol.HealthSummary, took time.Duration) {
	fmt.Fprintf(a.stdout, "Gateway Health\nOK (%dms)\n", took.Milliseconds())
	if own := h.Coderclaw; own != nil {
		fmt.Fprintf(a.stdout, "Profile: %s, pid %d, build %s\n", own.Profile, own.PID, own.Build)
		if own.Degraded != "" {
			fmt.Fprintf(a.stdout, "%s\n", own.Degraded)
		}
		for _, line := range siblingLines(own.Siblings) {
			fmt.Fprintf(a.stdout, "Sibling %s\n", line)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(h.Channels)) {
		state := "not configured"
		if ch := h.Channels[id]; ch.Configured {
			state = "configured"
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", firstOf(h.ChannelLabels[id], id), state)
	}
	for _, ag := range h.Agents {
		fmt.Fprintf(a.stdout, "Agent %s: %d sessions\n", ag.AgentID, ag.Sessions.Count)
	}
}
