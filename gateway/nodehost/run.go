package nodehost

import (
	"context"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/execpolicy"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// runParams are the parameters of system.run. That a command was approved is what
// the gateway says; whether that is enough, the policy file says.
type runParams struct {
	Command              []string          `json:"command" rule:"required"`
	RawCommand           *string           `json:"rawCommand,omitempty" rule:"droppednull"`
	Cwd                  *string           `json:"cwd,omitempty" rule:"droppednull"`
	Env                  map[string]string `json:"env,omitempty" rule:"droppednull"`
	TimeoutMs            *int64            `json:"timeoutMs,omitempty" rule:"droppednull,min=0"` // 0 and null: as long as the gateway waits
	NeedsScreenRecording *bool             `json:"needsScreenRecording,omitempty" rule:"droppednull"`
	AgentID              *string           `json:"agentId,omitempty" rule:"droppednull"`
	SessionKey           *string           `json:"sessionKey,omitempty" rule:"droppednull"`
	RunID                *string           `json:"runId,omitempty" rule:"droppednull"`
	Approved             *bool             `json:"approved,omitempty" rule:"droppednull"`
	ApprovalDecision     *string           `json:"approvalDecision,omitempty" rule:"droppednull"`
}

// RunResult is the payload of system.run.
type RunResult struct {
	ExitCode  *int   `json:"exitCode,omitempty"` // absent when a signal ended it
	TimedOut  bool   `json:"timedOut"`
	Success   bool   `json:"success"`
	Stdout    string `json:"stdout"`
	Stderr    string `json:"stderr"`
	Error     string `json:"error,omitempty"`
	Truncated bool   `json:"truncated"` // more was written than is handed on
}

// ranEvent is what a node tells of a command beside its result.
type ranEvent struct {
	SessionKey string `json:"sessionKey"`
	RunID      string `json:"runId"`
	Host       string `json:"host"`
	Command    string `json:"command"`
	ExitCode   *int   `json:"exitCode,omitempty"`
	TimedOut   *bool  `json:"timedOut,omitempty"`
	Success    *bool  `json:"success,omitempty"`
	Reason     string `json:"reason,omitempty"`
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// run carries out one command if the policy lets it.
func (h *Host) run(ctx context.Context, c *client.Client, req protocol.NodeInvokeEvent, p runParams) (RunResult, error) {
	if len(p.Command) == 0 || strings.TrimSpace(p.Command[0]) == "" {
		return RunResult{}, protocol.Invalid("command required")
	}
	event := ranEvent{SessionKey: value(p.SessionKey), RunID: value(p.RunID), Host: "node", Command: strings.Join(p.Command, " ")}
	deny := func(reason string) (RunResult, error) {
		event.Reason = reason
		h.o.Log.Warn("a command was refused", "command", p.Command, "why", reason)
		h.event(ctx, c, "exec.denied", event)
		return RunResult{}, &protocol.Error{Code: protocol.CodeUnavailable, Message: reason}
	}
	if value(p.NeedsScreenRecording) {
		return deny("PERMISSION_MISSING: screenRecording")
	}
	policy, err := h.o.Policy.Ensure(ctx)
	if err != nil {
		return RunResult{}, err
	}
	program, err := h.tools.find(p.Command[0], value(p.Cwd))
	if err != nil {
		return RunResult{}, protocol.Invalid(err.Error())
	}
	decision := value(p.ApprovalDecision)
	approved := value(p.Approved) || decision == protocol.AllowOnce || decision == protocol.AllowAlways
	rules := execpolicy.For(policy.File, value(p.AgentID))
	if reason := rules.Refusal(program, approved); reason != "" {
		return deny(reason)
	}
	if rules.Security == execpolicy.SecurityAllowlist {
		always := decision == protocol.AllowAlways
		if always && execpolicy.RunsAnything(program) {
			always = false // who allowed one script has not allowed all
			h.o.Log.Warn("allowed this once only: on the list it would allow any command", "program", program)
		}
		if err := h.o.Policy.Used(ctx, value(p.AgentID), program, event.Command, always, time.Now().UnixMilli()); err != nil {
			return RunResult{}, err
		}
	}
	h.event(ctx, c, "exec.started", event)
	h.o.Log.Info("running", "command", p.Command)
	res := h.tools.spawn(ctx, program, p, limit(p.TimeoutMs, req.TimeoutMs))
	event.ExitCode, event.TimedOut, event.Success = res.ExitCode, &res.TimedOut, &res.Success
	h.event(ctx, c, "exec.finished", event)
	return res, nil
}

func (h *Host) event(ctx context.Context, c *client.Client, name string, e ranEvent) {
	h.tell(ctx, c, "node.event", map[string]any{"event": name, "payload": e})
}

// maxRun is how long a command may take when nobody says.
const maxRun = 30 * time.Minute

// limit is the shorter of two times in ms, of which one that is absent or 0 does not count.
func limit(some ...*int64) time.Duration {
	most := maxRun
	for _, ms := range some {
		if v := value(ms); v > 0 && v < most.Milliseconds() {
			most = time.Duration(v) * time.Millisecond
		}
	}
	return most
}
