package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/discovery"
)

// discoverReport is the machine form of `gateway discover --json`.
type discoverReport struct {
	TimeoutMs int64              `json:"timeoutMs"`
	Domains   []string           `json:"domains"`
	Count     int                `json:"count"`
	Beacons   []discovery.Beacon `json:"beacons"`
}

func (a *app) discoverCommand() *cli.Command {
	return &cli.Command{
		Name:  "discover",
		Usage: "look for gateways that announce themselves on the local network",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "timeout", Usage: "listen for `MS` milliseconds", Value: "2000"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: a.discover,
	}
}

func (a *app) discover(ctx context.Context, c *cli.Command) error {
	timeout, err := timeoutOf(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := discovery.Find(ctx)
	if err != nil {
		return fmt.Errorf("gateway discover: %w", err)
	}
	if c.Bool("json") {
		return a.printJSON(discoverReport{TimeoutMs: timeout.Milliseconds(), Domains: []string{discovery.Domain}, Count: len(found), Beacons: found})
	}
	fmt.Fprintf(a.stdout, "Gateway Discovery\nFound %s · domains: %s\n", gatewayCount(len(found)), discovery.Domain)
	for _, b := range found {
		a.printBeacon(b)
	}
	if len(found) == 0 {
		fmt.Fprintln(a.stdout, `A gateway announces itself when discovery.mdns.mode of its config is "minimal" or "full", and others can reach it.`)
	}
	return nil
}

func gatewayCount(n int) string {
	if n == 1 {
		return "1 gateway"
	}
	return fmt.Sprintf("%d gateways", n)
}

func (a *app) printBeacon(b discovery.Beacon) {
	fmt.Fprintf(a.stdout, "\n- %s  %s\n", firstOf(b.DisplayName, b.InstanceName, "(no name)"), strings.TrimSuffix(b.Domain, "."))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(a.stdout, "  %s: %s\n", name, value)
		}
	}
	line("tailnet", b.TailnetDNS)
	line("lan", b.LanHost)
	host := b.Host
	if len(b.Addresses) > 0 {
		host += " (" + strings.Join(b.Addresses, ", ") + ")"
	}
	line("host", host)
	line("ws", b.URL)
	line("role", b.Role)
	line("transport", b.Transport)
	if b.TLS {
		line("tls", firstOf(b.Fingerprint, "yes, its fingerprint is not told"))
	}
	if b.SSHPort != 0 {
		line("ssh", strconv.Itoa(b.SSHPort))
	}
	line("cli", b.CLIPath)
}
