package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/execpolicy"
	"github.com/coderclaw/coderclaw/gateway/nodehost"
	"github.com/coderclaw/coderclaw/gateway/nodes"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func (a *app) nodesRunCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run a command on a node, and wait for an approval when the node wants one", ArgsUsage: "-- COMMAND [ARG]...", Action: a.nodesRun,
		Flags: append(clientFlags(false), nodeFlag(), invokeTimeoutFlag(),
			&cli.StringFlag{Name: "cwd", Usage: "run it in `DIR` of the node"},
			&cli.StringSliceFlag{Name: "env", Usage: "add `NAME=VALUE` to its environment, once for each"},
			&cli.StringFlag{Name: "raw", Usage: "run `SCRIPT` with /bin/sh of the node, instead of a command"},
			&cli.StringFlag{Name: "agent", Usage: "whose rules of the node count, an agent's `ID` (default: main)"},
			&cli.StringFlag{Name: "approval-timeout", Usage: "wait for a decision at most `MS` milliseconds", Value: "120000"}),
	}
}

// runRequest is what a node is sent.
type runRequest struct {
	Command  []string          `json:"command"`
	Raw      string            `json:"rawCommand,omitempty"`
	Cwd      string            `json:"cwd,omitempty"`
	Env      map[string]string `json:"env,omitempty"`
	AgentID  string            `json:"agentId,omitempty"`
	Timeout  int64             `json:"timeoutMs"`
	RunID    string            `json:"runId"`
	Approved bool              `json:"approved,omitempty"`
	Decision string            `json:"approvalDecision,omitempty"`
}

func (a *app) nodesRun(ctx context.Context, c *cli.Command) error {
	ms, err := invokeTimeout(c)
	if err != nil {
		return err
	}
	req := runRequest{Command: c.Args().Slice(), Raw: c.String("raw"), Cwd: c.String("cwd"), AgentID: c.String("agent"), Timeout: ms, RunID: uuid.NewString()}
	switch {
	case (len(req.Command) > 0) == (req.Raw != ""):
		return usageError("nodes run takes a COMMAND after --, or a SCRIPT with --raw")
	case req.Raw != "":
		req.Command = []string{"/bin/sh", "-lc", req.Raw}
	}
	for _, entry := range c.StringSlice("env") {
		name, v, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			return usageError("--env must be NAME=VALUE, got %q", entry)
		}
		if req.Env == nil {
			req.Env = map[string]string{}
		}
		req.Env[name] = v
	}
	var patience time.Duration
	if patience, err = time.ParseDuration(c.String("approval-timeout") + "ms"); err != nil || patience <= 0 {
		return usageError("--approval-timeout must be a positive integer (milliseconds), got %q", c.String("approval-timeout"))
	}
	var res nodehost.RunResult
	err = a.onConnection(ctx, c, func(ctx context.Context, t target, conn *client.Client) error {
		id, err := a.findNode(ctx, conn, c.String("node"))
		if err != nil {
			return err
		}
		if res, err = runOn(ctx, t, conn, id, req); !wantsApproval(err) {
			return err
		}
		if req.Decision, err = a.approval(ctx, t, conn, req, patience); err != nil {
			return err
		}
		req.Approved = true
		res, err = runOn(ctx, t, conn, id, req)
		return err
	})
	if err != nil {
		return err
	}
	return a.showRun(c, res)
}

// runOn has the node run the command once.
func runOn(ctx context.Context, t target, conn *client.Client, nodeID string, req runRequest) (nodehost.RunResult, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout+time.Duration(req.Timeout)*time.Millisecond)
	defer cancel()
	none := nodehost.RunResult{}
	params, err := json.Marshal(req)
	if err != nil {
		return none, err
	}
	wait := req.Timeout + nodeAnswerMs
	var res protocol.NodeInvokeResult
	if err := conn.Call(ctx, "node.invoke", protocol.NodeInvokeParams{NodeID: nodeID, Command: protocol.CommandRun, Params: params, TimeoutMs: &wait, IdempotencyKey: uuid.NewString()}, &res); err != nil {
		return none, err
	}
	var out nodehost.RunResult
	if err := json.Unmarshal(res.Payload, &out); err != nil {
		return none, fmt.Errorf("what the node answered cannot be read: %w", err)
	}
	return out, nil
}

// nodeAnswerMs is how much longer than its command a node may take to answer.
const nodeAnswerMs = 5000

func wantsApproval(err error) bool {
	e, ok := errors.AsType[*protocol.Error](err)
	return ok && e.Code == protocol.CodeUnavailable && strings.Contains(e.Message, execpolicy.ApprovalRequired)
}

// approval asks those who may decide, and waits for the decision.
func (a *app) approval(ctx context.Context, t target, conn *client.Client, req runRequest, patience time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience+t.timeout)
	defer cancel()
	optional := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	host := "node"
	p := protocol.ExecApprovalRequestParams{ID: req.RunID, Command: firstOf(strings.TrimSpace(req.Raw), nodes.CommandText(req.Command)), Cwd: optional(req.Cwd), Host: &host,
		AgentID: optional(req.AgentID), TimeoutMs: patience.Milliseconds(), TwoPhase: true}
	if err := conn.Call(ctx, "exec.approval.request", p, nil); err != nil {
		return "", err
	}
	// Not before it waits: a decision that comes sooner is one on nothing.
	fmt.Fprintf(a.stderr, "This command waits for an approval; to give it: %s\n", hint(t.profile, "approvals resolve "+req.RunID+" "+protocol.AllowOnce))
	var res protocol.ExecApprovalResult
	if err := conn.Call(ctx, "exec.approval.waitDecision", protocol.ExecApprovalWaitParams{ID: req.RunID}, &res); err != nil {
		return "", err
	}
	switch {
	case res.Decision == nil:
		return "", errors.New("nobody decided in time; the command did not run")
	case *res.Decision == protocol.Deny:
		return "", errors.New("denied; the command did not run")
	}
	return *res.Decision, nil
}

func (a *app) showRun(c *cli.Command, res nodehost.RunResult) error {
	if c.Bool("json") {
		if err := a.printJSON(res); err != nil {
			return err
		}
	} else {
		fmt.Fprint(a.stdout, res.Stdout)
		fmt.Fprint(a.stderr, res.Stderr)
		if res.Truncated {
			fmt.Fprintln(a.stderr, "coderclaw: the output is not whole: the node cut off what was too much")
		}
	}
	switch {
	case res.TimedOut:
		return errors.New("the command took too long and was ended")
	case res.Error != "":
		return errors.New(res.Error)
	case res.ExitCode == nil:
		return errors.New("the command was ended by a signal")
	case *res.ExitCode != 0:
		return fmt.Errorf("the command exited with %d", *res.ExitCode)
	}
	return nil
}
