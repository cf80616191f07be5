package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/execpolicy"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func (a *app) approvalsCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		return append(append(clientFlags(false), &cli.StringFlag{Name: "node", Usage: "of this node: its `ID`, the beginning of one, or its name (default: of the gateway's host)"}), more...)
	}
	agent := func() cli.Flag {
		return &cli.StringFlag{Name: "agent", Usage: "for the agent with this `ID`, or * for all", Value: execpolicy.DefaultAgent}
	}
	return &cli.Command{
		Name:  "approvals",
		Usage: "which commands may run, unasked or after a person has allowed it",
		Commands: []*cli.Command{
			{Name: "get", Usage: "print the rules; always JSON", Flags: flags(), Action: a.approvalsGet},
			{Name: "set", Usage: "replace the rules by those in FILE, JSON; - reads standard input", ArgsUsage: "FILE", Flags: flags(), Action: a.approvalsSet},
			{Name: "allowlist", Usage: "programs that may run unasked", Commands: []*cli.Command{
				{Name: "add", Usage: "add the programs whose whole path fits PATTERN", ArgsUsage: "PATTERN", Flags: flags(agent()), Action: a.allowlist(addPattern)},
				{Name: "remove", Usage: "take PATTERN off", ArgsUsage: "PATTERN", Flags: flags(agent()), Action: a.allowlist(removePattern)},
			}},
			{Name: "resolve", Usage: "decide on a command that waits: allow-once, allow-always or deny", ArgsUsage: "ID DECISION", Flags: clientFlags(false), Action: a.approvalsResolve},
		},
	}
}

// withApprovals hands do the rules that the flags mean, and how to replace them. It hands
// them anew, within --timeout, for as long as somebody else replaces them meanwhile.
func (a *app) withApprovals(ctx context.Context, c *cli.Command, do func(now protocol.ExecApprovalsSnapshot, set func(protocol.ExecApprovalsFile) error) error) error {
	return a.withGateway(ctx, c, func(ctx context.Context, t target, conn *client.Client) error {
		node := ""
		if name := c.String("node"); name != "" {
			var err error
			if node, err = a.findNode(ctx, conn, name); err != nil {
				return err
			}
		}
		get, params := "exec.approvals.get", any(nil)
		if node != "" {
			get, params = "exec.approvals.node.get", protocol.NodeParams{NodeID: node}
		}
		try := func() error {
			var now protocol.ExecApprovalsSnapshot
			if err := conn.Call(ctx, get, params, &now); err != nil {
				return err
			}
			return do(now, func(next protocol.ExecApprovalsFile) error {
				var res json.RawMessage
				var err error
				if node != "" {
					err = conn.Call(ctx, "exec.approvals.node.set", protocol.ExecApprovalsNodeSetParams{NodeID: node, File: next, BaseHash: now.Hash}, &res)
				} else {
					err = conn.Call(ctx, "exec.approvals.set", protocol.ExecApprovalsSetParams{File: next, BaseHash: now.Hash}, &res)
				}
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return a.printJSON(res)
				}
				fmt.Fprintln(a.stdout, "Changed "+now.Path+".")
				return nil
			})
		}
		err := try()
		for err != nil && ctx.Err() == nil && strings.Contains(err.Error(), execpolicy.ErrChanged.Error()) {
			err = try() // somebody else was faster, which nobody can be for ever
		}
		return err
	})
}

func (a *app) approvalsGet(ctx context.Context, c *cli.Command) error {
	return a.withApprovals(ctx, c, func(now protocol.ExecApprovalsSnapshot, _ func(protocol.ExecApprovalsFile) error) error {
		return a.printJSON(now)
	})
}

func (a *app) approvalsSet(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usageError("approvals set takes one FILE, got %d", c.Args().Len())
	}
	name := c.Args().First()
	var raw []byte
	var err error
	if name == "-" {
		raw, err = io.ReadAll(a.stdin)
	} else {
		raw, err = os.ReadFile(name)
	}
	if err != nil {
		return err
	}
	next, err := execpolicy.Parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return a.withApprovals(ctx, c, func(_ protocol.ExecApprovalsSnapshot, set func(protocol.ExecApprovalsFile) error) error {
		return set(next)
	})
}

func (a *app) allowlist(change func(list []protocol.ExecAllowlist, pattern string) ([]protocol.ExecAllowlist, error)) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		if c.Args().Len() != 1 {
			return usageError("approvals allowlist takes one PATTERN, got %d", c.Args().Len())
		}
		return a.withApprovals(ctx, c, func(now protocol.ExecApprovalsSnapshot, set func(protocol.ExecApprovalsFile) error) error {
			agent := now.File.Agents[c.String("agent")]
			list, err := change(agent.Allowlist, c.Args().First())
			if err != nil {
				return err
			}
			agent.Allowlist = list
			if now.File.Agents == nil {
				now.File.Agents = map[string]protocol.ExecApprovalsAgent{}
			}
			now.File.Agents[c.String("agent")] = agent
			return set(now.File)
		})
	}
}

func addPattern(list []protocol.ExecAllowlist, pattern string) ([]protocol.ExecAllowlist, error) {
	if !execpolicy.Matchable(pattern) {
		return nil, usageError("a PATTERN is of a whole path, like /usr/bin/rg or /opt/**/rg; %q would fit nothing", pattern)
	}
	if slices.ContainsFunc(list, func(e protocol.ExecAllowlist) bool { return e.Pattern == pattern }) {
		return nil, fmt.Errorf("%s is on the list already", pattern)
	}
	return append(list, protocol.ExecAllowlist{ID: uuid.NewString(), Pattern: pattern}), nil
}

func removePattern(list []protocol.ExecAllowlist, pattern string) ([]protocol.ExecAllowlist, error) {
	rest := slices.DeleteFunc(slices.Clone(list), func(e protocol.ExecAllowlist) bool { return e.Pattern == pattern })
	if len(rest) == len(list) {
		return nil, fmt.Errorf("%s is not on the list", pattern)
	}
	return rest, nil
}

func (a *app) approvalsResolve(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 2 {
		return usageError("approvals resolve takes an ID and a DECISION, got %d arguments", c.Args().Len())
	}
	p := protocol.ExecApprovalResolveParams{ID: c.Args().Get(0), Decision: c.Args().Get(1)}
	if !slices.Contains([]string{protocol.AllowOnce, protocol.AllowAlways, protocol.Deny}, p.Decision) {
		return usageError("a DECISION is %s, %s or %s, got %q", protocol.AllowOnce, protocol.AllowAlways, protocol.Deny, p.Decision)
	}
	return askGateway(ctx, a, c, "exec.approval.resolve", p, func(r protocol.OK) error {
		if !r.OK {
			return errors.New("the gateway did not take the decision")
		}
		fmt.Fprintf(a.stdout, "Decided: %s.\n", p.Decision)
		return nil
	})
}
