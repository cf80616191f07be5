package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// pairing is one request to be let in, of whatever kind.
type pairing struct {
	Kind        string   `json:"kind"` // device or node
	Code        string   `json:"code"` // the request's id
	ID          string   `json:"id"`   // who asks
	DisplayName string   `json:"displayName,omitempty"`
	Platform    string   `json:"platform,omitempty"`
	Role        string   `json:"role,omitempty"`
	Scopes      []string `json:"scopes,omitempty"`
	RemoteIP    string   `json:"remoteIp,omitempty"`
	IsRepair    bool     `json:"isRepair,omitempty"`
	CreatedAt   string   `json:"createdAt"`

	method string // node.pair or device.pair
}

// The kinds of requests. Those of a chat service's strangers come with the first
// service that has direct messages.
const (
	pairDevice = "device"
	pairNode   = "node"
)

type pairingList struct {
	Requests []pairing `json:"requests"`
}

func (a *app) pairingCommand() *cli.Command {
	return &cli.Command{
		Name:  "pairing",
		Usage: "everything that waits to be let in by the running gateway: devices and nodes in one list",
		Commands: []*cli.Command{
			{Name: "list", Usage: "who waits; with KIND (device or node) only those", ArgsUsage: "[KIND]", Flags: clientFlags(false), Action: a.pairingList},
			{Name: "approve", Usage: "let somebody in", ArgsUsage: "[KIND] CODE", Flags: clientFlags(false), Action: a.pairingResolve("approve", "Approved")},
			{Name: "reject", Usage: "turn somebody down", ArgsUsage: "[KIND] CODE", Flags: clientFlags(false), Action: a.pairingResolve("reject", "Rejected")},
		},
	}
}

// pairings lists who waits, the newest first; kind "" means all of them.
func pairings(ctx context.Context, conn *client.Client, kind string) ([]pairing, error) {
	out := []pairing{}
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	if kind != pairDevice {
		nodes, err := waitingNodes(ctx, conn)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			out = append(out, pairing{Kind: pairNode, Code: n.RequestID, ID: n.NodeID, DisplayName: n.DisplayName, Platform: n.Platform, Role: protocol.RoleNode,
				RemoteIP: n.RemoteIP, IsRepair: n.IsRepair, CreatedAt: at(n.TS), method: n.method})
		}
	}
	if kind != pairNode {
		var devices protocol.DevicePairListResult
		if err := conn.Call(ctx, "device.pair.list", nil, &devices); err != nil {
			return nil, err
		}
		for _, d := range devices.Pending {
			if d.Role != protocol.RoleNode {
				out = append(out, pairing{Kind: pairDevice, Code: d.RequestID, ID: d.DeviceID, DisplayName: firstOf(d.DisplayName, d.ClientID), Platform: d.Platform, Role: d.Role,
					Scopes: d.Scopes, RemoteIP: d.RemoteIP, IsRepair: d.IsRepair, CreatedAt: at(d.TS), method: "device.pair"})
			}
		}
	}
	slices.SortStableFunc(out, func(x, y pairing) int { return cmp.Compare(y.CreatedAt, x.CreatedAt) })
	return out, nil
}

// pairingKind is the kind that a person names, "" for all.
func pairingKind(text string) (string, error) {
	switch strings.ToLower(text) {
	case "":
		return "", nil
	case pairDevice, "devices":
		return pairDevice, nil
	case pairNode, "nodes":
		return pairNode, nil
	}
	return "", usageError("%q is not a kind of request that this version has; use device or node", text)
}

func (a *app) pairingList(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() > 1 {
		return usageError("pairing list takes one KIND, got %d", c.Args().Len())
	}
	kind, err := pairingKind(c.Args().First())
	if err != nil {
		return err
	}
	return a.withGateway(ctx, c, func(ctx context.Context, t target, conn *client.Client) error {
		list, err := pairings(ctx, conn, kind)
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return a.printJSON(pairingList{list})
		}
		if len(list) == 0 {
			fmt.Fprintln(a.stdout, oneLine("No pending "+kind+" pairing requests."))
			return nil
		}
		tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(tw, "CODE\tKIND\tWHO\tWANTS\tFROM\tREQUESTED\tFLAGS")
		for _, p := range list {
			when, _ := time.Parse(time.RFC3339, p.CreatedAt) // it was written so above
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s ago\t%s\n", shown(p.Code), p.Kind, shown(deviceName(p.DisplayName, p.Kind, p.ID)), shown(firstOf(p.wants(), "-")),
				shown(firstOf(p.RemoteIP, "-")), age(time.Since(when)), map[bool]string{true: "repair"}[p.IsRepair])
		}
		return tw.Flush()
	})
}

// wants is what comes with being let in.
func (p pairing) wants() string {
	if len(p.Scopes) == 0 {
		return p.Role
	}
	return p.Role + ": " + shortScopes(p.Scopes)
}

// pairingResolve is the action that decides on one request. Nothing is decided on
// that nobody named.
func (a *app) pairingResolve(verb, done string) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		args := c.Args().Slice()
		if len(args) == 1 {
			args = []string{"", args[0]}
		}
		if len(args) != 2 {
			return usageError("pairing %s takes [KIND] CODE, got %d arguments", verb, len(args))
		}
		kind, err := pairingKind(args[0])
		if err != nil {
			return err
		}
		return a.withGateway(ctx, c, func(ctx context.Context, t target, conn *client.Client) error {
			list, err := pairings(ctx, conn, kind)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(list, func(p pairing) bool { return p.Code == args[1] })
			if i < 0 {
				//lint:ignore ST1005 the text is fixed from outside; scripts match it
				return fmt.Errorf("No pending pairing request found for code: %s\nSee who waits with: %s", shown(args[1]), hint(t.profile, "pairing list"))
			}
			p := list[i]
			var raw json.RawMessage
			if err := conn.Call(ctx, p.method+"."+verb, protocol.PairRequestParams{RequestID: p.Code}, &raw); err != nil {
				return err
			}
			if c.Bool("json") {
				return a.printJSON(raw)
			}
			fmt.Fprintf(a.stdout, "%s %s %s.\n", done, p.Kind, shown(deviceName(p.DisplayName, "", p.ID)))
			return nil
		})
	}
}
