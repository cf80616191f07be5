package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func (a *app) devicesCommand() *cli.Command {
	role := func() cli.Flag {
		return &cli.StringFlag{Name: "role", Usage: "the token for `ROLE`: operator or node", Value: protocol.RoleOperator}
	}
	device := func() cli.Flag {
		return &cli.StringFlag{Name: "device", Usage: "the device's `ID`, as `devices list --json` shows it whole", Required: true}
	}
	return &cli.Command{
		Name:  "devices",
		Usage: "which devices may connect to the running gateway",
		Commands: []*cli.Command{
			{Name: "list", Usage: "requests that wait, and the devices that are paired", Flags: clientFlags(false), Action: a.devicesList},
			{
				Name: "approve", Usage: "let a device in; without REQUEST the one that waits is shown, not approved", ArgsUsage: "[REQUEST]",
				Flags:  append(clientFlags(false), &cli.BoolFlag{Name: "latest", Usage: "the newest request, whatever it is"}),
				Action: a.devicesApprove,
			},
			{Name: "reject", Usage: "turn a request down", ArgsUsage: "REQUEST", Flags: clientFlags(false), Action: a.devicesReject},
			{Name: "remove", Usage: "forget a paired device and end its connections", ArgsUsage: "DEVICE", Flags: clientFlags(false), Action: a.devicesRemove},
			{
				Name: "clear", Usage: "remove every paired device but this one",
				Flags: append(clientFlags(false), &cli.BoolFlag{Name: "yes", Usage: "do it"},
					&cli.BoolFlag{Name: "pending", Usage: "turn down every request as well"}),
				Action: a.devicesClear,
			},
			{
				Name: "rotate", Usage: "give a device a new token, which is printed; the old one is worth nothing then",
				Flags:  append(clientFlags(false), device(), role(), &cli.StringSliceFlag{Name: "scope", Usage: "what the device may do from now on: `SCOPE`, once for each"}),
				Action: a.devicesRotate,
			},
			{Name: "revoke", Usage: "make the token of a device worthless", Flags: append(clientFlags(false), device(), role()), Action: a.devicesRevoke},
		},
	}
}

// askGateway makes one request of the gateway that the flags mean. With --json it
// prints the result, else it decodes it and has show print it.
func askGateway[R any](ctx context.Context, a *app, c *cli.Command, method string, params any, show func(R) error) error {
	t, err := a.target(c)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := a.call(ctx, t, "cli", method, params, &raw); err != nil {
		return err
	}
	if c.Bool("json") {
		return a.printJSON(raw)
	}
	var res R
	if err := json.Unmarshal(raw, &res); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return show(res)
}

func (a *app) devicesList(ctx context.Context, c *cli.Command) error {
	return askGateway(ctx, a, c, "device.pair.list", nil, a.printDevices)
}

// printDevices shows what devices say of themselves so that they cannot pass for others.
func (a *app) printDevices(l protocol.DevicePairListResult) error {
	if len(l.Pending)+len(l.Paired) == 0 {
		fmt.Fprintln(a.stdout, "No device pairing entries.")
		return nil
	}
	tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	if len(l.Pending) > 0 {
		fmt.Fprintf(tw, "Pending (%d)\nREQUEST\tDEVICE\tROLE\tSCOPES\tIP\tAGE\tFLAGS\n", len(l.Pending))
	}
	for _, p := range l.Pending {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.RequestID, shown(deviceName(p.DisplayName, p.ClientID, p.DeviceID)), shown(p.Role), shown(shortScopes(p.Scopes)),
			shown(firstOf(p.RemoteIP, "-")), age(time.Since(time.UnixMilli(p.TS))), map[bool]string{true: "repair"}[p.IsRepair])
	}
	if len(l.Paired) > 0 {
		fmt.Fprintf(tw, "Paired (%d)\nDEVICE\tROLES\tSCOPES\tTOKENS\tIP\tID\n", len(l.Paired))
	}
	for _, d := range l.Paired {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", shown(deviceName(d.DisplayName, d.ClientID, "")), shown(strings.Join(d.Roles, ",")), shown(shortScopes(d.Scopes)),
			tokenWords(d.Tokens), shown(firstOf(d.RemoteIP, "-")), d.DeviceID)
	}
	return tw.Flush()
}

// whence is where a request comes from. Without an address that is not known: it came
// through a proxy that the config does not name, for a client on this machine has no need to ask.
func whence(ip string) string {
	if ip == "" {
		return ", from an address that is not known,"
	}
	return " at " + shown(ip)
}

// deviceName is what a person knows a device by, and the beginning of its id.
func deviceName(display, client, id string) string {
	name := brief(firstOf(display, client, "device"))
	if id != "" {
		name += " " + id[:min(len(id), 12)]
	}
	return name
}

// brief cuts what somebody says of himself to what a table has room for: what stands
// behind it is not to be pushed out of sight.
func brief(text string) string {
	const most = 40
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

func shortScopes(scopes []string) string {
	var short []string
	for _, s := range scopes {
		short = append(short, brief(strings.TrimPrefix(s, "operator.")))
	}
	return firstOf(strings.Join(short, ","), "-")
}

func tokenWords(tokens []protocol.TokenRecord) string {
	var words []string
	for _, t := range tokens {
		word := t.Role
		if t.RevokedAtMs != 0 {
			word += " (revoked)"
		}
		words = append(words, word)
	}
	return firstOf(strings.Join(words, ","), "-")
}

// devicesApprove approves nothing that nobody has seen: without an id it shows what waits.
func (a *app) devicesApprove(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() > 1 {
		return usageError("devices approve takes one REQUEST, got %d", c.Args().Len())
	}
	id := c.Args().First()
	if id == "" {
		t, err := a.target(c)
		if err != nil {
			return err
		}
		var l protocol.DevicePairListResult
		if err := a.call(ctx, t, "cli", "device.pair.list", nil, &l); err != nil {
			return err
		}
		if len(l.Pending) == 0 {
			//lint:ignore ST1005 the text is fixed from outside; scripts match it
			return errors.New("No pending device pairing requests to approve")
		}
		id = l.Pending[0].RequestID
		if !c.Bool("latest") {
			p := l.Pending[0]
			return usageError("%s%s asks for %s with %s; if that is yours, run: %s", shown(deviceName(p.DisplayName, p.ClientID, p.DeviceID)), whence(p.RemoteIP),
				shown(p.Role), shown(firstOf(shortScopes(p.Scopes), "no scope")), hint(t.profile, "devices approve "+id))
		}
	}
	return askGateway(ctx, a, c, "device.pair.approve", protocol.PairRequestParams{RequestID: id}, func(r protocol.DevicePairApproveResult) error {
		fmt.Fprintf(a.stdout, "Approved %s.\n", shown(deviceName(r.Device.DisplayName, r.Device.ClientID, r.Device.DeviceID)))
		return nil
	})
}

func (a *app) devicesReject(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usageError("devices reject takes one REQUEST, got %d", c.Args().Len())
	}
	return askGateway(ctx, a, c, "device.pair.reject", protocol.PairRequestParams{RequestID: c.Args().First()}, func(r protocol.DevicePairRejectResult) error {
		fmt.Fprintf(a.stdout, "Rejected %s.\n", deviceName("", "", r.DeviceID))
		return nil
	})
}

func (a *app) devicesRemove(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usageError("devices remove takes one DEVICE, got %d", c.Args().Len())
	}
	return askGateway(ctx, a, c, "device.pair.remove", protocol.DeviceParams{DeviceID: c.Args().First()}, func(r protocol.DeviceParams) error {
		fmt.Fprintf(a.stdout, "Removed %s.\n", deviceName("", "", r.DeviceID))
		return nil
	})
}

func (a *app) devicesRotate(ctx context.Context, c *cli.Command) error {
	p := protocol.DeviceTokenRotateParams{DeviceID: c.String("device"), Role: c.String("role"), Scopes: c.StringSlice("scope")}
	return askGateway(ctx, a, c, "device.token.rotate", p, func(r protocol.DeviceTokenRotateResult) error {
		fmt.Fprintln(a.stdout, r.Token)
		return nil
	})
}

func (a *app) devicesRevoke(ctx context.Context, c *cli.Command) error {
	p := protocol.DeviceTokenRevokeParams{DeviceID: c.String("device"), Role: c.String("role")}
	return askGateway(ctx, a, c, "device.token.revoke", p, func(r protocol.DeviceTokenRevokeResult) error {
		fmt.Fprintf(a.stdout, "Revoked the %s token of %s.\n", r.Role, deviceName("", "", r.DeviceID))
		return nil
	})
}
