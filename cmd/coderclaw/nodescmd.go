package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func nodeFlag() cli.Flag {
	return &cli.StringFlag{Name: "node", Usage: "the node: its `ID`, the beginning of one, or its name", Required: true}
}

func invokeTimeoutFlag() cli.Flag {
	return &cli.StringFlag{Name: "invoke-timeout", Usage: "how long the node may take, in `MS` milliseconds", Value: "30000"}
}

func (a *app) nodesCommand() *cli.Command {
	return &cli.Command{
		Name:  "nodes",
		Usage: "devices that lend the running gateway what they can do",
		Commands: []*cli.Command{
			{Name: "list", Usage: "the nodes that are paired or connected", Flags: clientFlags(false), Action: a.nodesList},
			{Name: "describe", Usage: "one node; always JSON", Flags: append(clientFlags(false), nodeFlag()), Action: a.nodesDescribe},
			{Name: "pending", Usage: "the nodes that wait to be let in", Flags: clientFlags(false), Action: a.nodesPending},
			{Name: "approve", Usage: "let a node in", ArgsUsage: "REQUEST", Flags: clientFlags(false), Action: a.nodesResolve("approve", "Approved")},
			{Name: "reject", Usage: "turn a node down", ArgsUsage: "REQUEST", Flags: clientFlags(false), Action: a.nodesResolve("reject", "Rejected")},
			{
				Name: "rename", Usage: "give a node another name", Action: a.nodesRename,
				Flags: append(clientFlags(false), nodeFlag(), &cli.StringFlag{Name: "name", Usage: "the new `NAME`", Required: true}),
			},
			{
				Name: "invoke", Usage: "have a node carry out a command, and print what it answers", Action: a.nodesInvoke,
				Flags: append(clientFlags(false), nodeFlag(), invokeTimeoutFlag(),
					&cli.StringFlag{Name: "command", Usage: "the `COMMAND`, one of those that describe shows", Required: true},
					&cli.StringFlag{Name: "params", Usage: "its parameters, a JSON `OBJECT`", Value: "{}"}),
			},
			a.nodesRunCommand(),
		},
	}
}

func (a *app) nodesList(ctx context.Context, c *cli.Command) error {
	return askGateway(ctx, a, c, "node.list", nil, func(l protocol.NodeListResult) error {
		if len(l.Nodes) == 0 {
			fmt.Fprintln(a.stdout, "No nodes.")
			return nil
		}
		tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(tw, "NODE\tSTATE\tPLATFORM\tIP\tCOMMANDS\tID")
		for _, n := range l.Nodes {
			state := "connected"
			if !n.Connected {
				state = "away"
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", shown(brief(firstOf(n.DisplayName, "node"))), state, shown(brief(firstOf(n.Platform, "-"))), shown(firstOf(n.RemoteIP, "-")), shown(firstOf(strings.Join(n.Commands, ","), "-")), shown(n.NodeID))
		}
		return tw.Flush()
	})
}

// findNode returns the id of the one node that a person means by a name.
func (a *app) findNode(ctx context.Context, conn *client.Client, name string) (string, error) {
	var l protocol.NodeListResult
	if err := conn.Call(ctx, "node.list", nil, &l); err != nil {
		return "", err
	}
	const shortest = 6 // of the beginning of an id
	var found []string
	for _, n := range l.Nodes {
		if n.NodeID == name {
			return name, nil
		}
		if strings.EqualFold(n.DisplayName, name) || len(name) >= shortest && strings.HasPrefix(n.NodeID, name) {
			found = append(found, n.NodeID)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no node %q (see: coderclaw nodes list)", name)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%q is the name of %d nodes; give the id of one: %s", name, len(found), strings.Join(found, ", "))
}

// askNode makes one request about the node that --node means and prints the result.
func (a *app) askNode(ctx context.Context, c *cli.Command, method string, params func(id string) any, show func(raw json.RawMessage) error) error {
	return a.withGateway(ctx, c, func(ctx context.Context, t target, conn *client.Client) error {
		id, err := a.findNode(ctx, conn, c.String("node"))
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := conn.Call(ctx, method, params(id), &raw); err != nil {
			return err
		}
		if show == nil || c.Bool("json") {
			return a.printJSON(raw)
		}
		return show(raw)
	})
}

func (a *app) nodesDescribe(ctx context.Context, c *cli.Command) error {
	return a.askNode(ctx, c, "node.describe", func(id string) any { return protocol.NodeParams{NodeID: id} }, nil)
}

func (a *app) nodesRename(ctx context.Context, c *cli.Command) error {
	return a.askNode(ctx, c, "node.rename", func(id string) any { return protocol.NodeRenameParams{NodeID: id, DisplayName: c.String("name")} }, func(json.RawMessage) error {
		fmt.Fprintf(a.stdout, "Renamed to %s.\n", c.String("name"))
		return nil
	})
}

// waitingNode is a node that waits to be let in, in one of the two ways in which a
// gateway of the family takes such a wish.
type waitingNode struct {
	RequestID   string `json:"requestId"`
	NodeID      string `json:"nodeId"`
	DisplayName string `json:"displayName,omitempty"`
	Platform    string `json:"platform,omitempty"`
	RemoteIP    string `json:"remoteIp,omitempty"`
	IsRepair    bool   `json:"isRepair,omitempty"`
	TS          int64  `json:"ts"`

	method string // node.pair or device.pair
}

func waitingNodes(ctx context.Context, conn *client.Client) ([]waitingNode, error) {
	var nodes protocol.NodePairListResult
	if err := conn.Call(ctx, "node.pair.list", nil, &nodes); err != nil {
		return nil, err
	}
	var devices protocol.DevicePairListResult
	if err := conn.Call(ctx, "device.pair.list", nil, &devices); err != nil {
		return nil, err
	}
	list := []waitingNode{}
	for _, r := range nodes.Pending {
		list = append(list, waitingNode{r.RequestID, r.NodeID, r.DisplayName, r.Platform, r.RemoteIP, r.IsRepair, r.TS, "node.pair"})
	}
	for _, r := range devices.Pending {
		if r.Role == protocol.RoleNode {
			list = append(list, waitingNode{r.RequestID, r.DeviceID, r.DisplayName, r.Platform, r.RemoteIP, r.IsRepair, r.TS, "device.pair"})
		}
	}
	return list, nil
}

func (a *app) nodesPending(ctx context.Context, c *cli.Command) error {
	return a.withGateway(ctx, c, func(ctx context.Context, t target, conn *client.Client) error {
		list, err := waitingNodes(ctx, conn)
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return a.printJSON(list)
		}
		if len(list) == 0 {
			fmt.Fprintln(a.stdout, "No node waits.")
			return nil
		}
		tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(tw, "REQUEST\tNODE\tPLATFORM\tIP\tAGE\tFLAGS")
		for _, n := range list {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", n.RequestID, shown(deviceName(n.DisplayName, "node", n.NodeID)), shown(brief(firstOf(n.Platform, "-"))), shown(firstOf(n.RemoteIP, "-")),
				age(time.Since(time.UnixMilli(n.TS))), map[bool]string{true: "repair"}[n.IsRepair])
		}
		return tw.Flush()
	})
}

func (a *app) nodesResolve(verb, done string) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		if c.Args().Len() != 1 {
			return usageError("nodes %s takes one REQUEST, got %d", verb, c.Args().Len())
		}
		return a.withGateway(ctx, c, func(ctx context.Context, t target, conn *client.Client) error {
			list, err := waitingNodes(ctx, conn)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(list, func(n waitingNode) bool { return n.RequestID == c.Args().First() })
			if i < 0 {
				return errors.New("unknown requestId")
			}
			var raw json.RawMessage
			if err := conn.Call(ctx, list[i].method+"."+verb, protocol.PairRequestParams{RequestID: list[i].RequestID}, &raw); err != nil {
				return err
			}
			if c.Bool("json") {
				return a.printJSON(raw)
			}
			fmt.Fprintf(a.stdout, "%s %s.\n", done, shown(deviceName(list[i].DisplayName, "node", list[i].NodeID)))
			return nil
		})
	}
}

// invokeTimeout is what --invoke-timeout says.
func invokeTimeout(c *cli.Command) (int64, error) {
	ms, err := strconv.ParseInt(c.String("invoke-timeout"), 10, 32)
	if err != nil || ms <= 0 {
		return 0, usageError("--invoke-timeout must be a positive integer (milliseconds), got %q", c.String("invoke-timeout"))
	}
	return ms, nil
}

func (a *app) nodesInvoke(ctx context.Context, c *cli.Command) error {
	params := json.RawMessage(c.String("params"))
	var object map[string]json.RawMessage
	if err := json.Unmarshal(params, &object); err != nil || object == nil {
		return usageError("--params must be a JSON object, got %q", params)
	}
	ms, err := invokeTimeout(c)
	if err != nil {
		return err
	}
	return a.onConnection(ctx, c, func(ctx context.Context, t target, conn *client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, t.timeout+time.Duration(ms)*time.Millisecond)
		defer cancel()
		id, err := a.findNode(ctx, conn, c.String("node"))
		if err != nil {
			return err
		}
		var res protocol.NodeInvokeResult
		if err := conn.Call(ctx, "node.invoke", protocol.NodeInvokeParams{NodeID: id, Command: c.String("command"), Params: params, TimeoutMs: &ms, IdempotencyKey: uuid.NewString()}, &res); err != nil {
			return err
		}
		if c.Bool("json") {
			return a.printJSON(res)
		}
		return a.printJSON(res.Payload)
	})
}
