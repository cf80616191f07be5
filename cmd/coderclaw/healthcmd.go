package main

import (
	"context"
	"fmt"
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
		a.printHealth(h, time.Since(start), c.Bool("verbose"))
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
		lines = append(lines, fmt.Sprintf("%s: %s; see to it with: coderclaw rescue --repair %s", line, oneLine(x.Reason), x.Profile))
	}
	if s.Unseen != "" {
		lines = append(lines, "unknown: "+oneLine(s.Unseen))
	}
	return lines
}

func (a *app) printHealth(h protocol.HealthSummary, took time.Duration, verbose bool) {
	fmt.Fprintf(a.stdout, "Gateway Health\nOK (%dms)\n", took.Milliseconds())
	if own := h.Coderclaw; own != nil {
		fmt.Fprintf(a.stdout, "Profile: %s, pid %d, build %s\n", firstOf(own.Profile, "(none)"), own.PID, own.Build)
		if own.Degraded != "" {
			fmt.Fprintf(a.stdout, "%s\n", own.Degraded)
		}
		for _, line := range siblingLines(own.Siblings) {
			fmt.Fprintf(a.stdout, "Sibling %s\n", line)
		}
	}
	for _, id := range h.ChannelOrder {
		ch, ok := h.Channels[id]
		if !ok {
			continue
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", firstOf(h.ChannelLabels[id], id), channelWord(ch))
		if verbose {
			fmt.Fprintf(a.stdout, "  account %s: %s\n", firstOf(ch.AccountID, "default"), channelWord(ch))
		}
	}
	var agents, beats []string
	for _, ag := range h.Agents {
		name := ag.AgentID
		if ag.IsDefault {
			name += " (default)"
		}
		agents = append(agents, name)
		beat := "off"
		if ag.Heartbeat.Enabled {
			beat = ag.Heartbeat.Every
		}
		beats = append(beats, fmt.Sprintf("%s (%s)", beat, ag.AgentID))
	}
	if len(agents) > 0 {
		fmt.Fprintf(a.stdout, "Agents: %s\nHeartbeat interval: %s\n", strings.Join(agents, ", "), strings.Join(beats, ", "))
	}
	for _, ag := range h.Agents {
		a.printSessions(ag)
	}
}

// channelWord is the state of a channel in a few words.
func channelWord(ch protocol.ChannelHealth) string {
	switch {
	case ch.Linked:
		return "linked"
	case ch.Configured:
		return "configured"
	}
	return "not configured"
}

// maxRecent is how many sessions of an agent are shown.
const maxRecent = 5

func (a *app) printSessions(ag protocol.AgentHealth) {
	s := ag.Sessions
	fmt.Fprintf(a.stdout, "Session store (%s): %s (%d entries)\n", ag.AgentID, s.Path, s.Count)
	for i, one := range s.Recent {
		if i == maxRecent {
			break
		}
		old := unknown
		if one.Age != nil {
			old = age(time.Duration(*one.Age)*time.Millisecond) + " ago"
		}
		fmt.Fprintf(a.stdout, "- %s (%s)\n", one.Key, old)
	}
}
