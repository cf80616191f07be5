// Package nodehost owns a machine's side of the role node without a screen: it
// connects to a gateway, carries out the commands that it is sent as far as the
// machine's own policy file allows, and connects again when the connection ends. It
// knows nothing of the gateway's insides.
package nodehost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/execpolicy"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// Bounds of what one gateway may have a node do.
const (
	maxRunning = 16  // commands at once
	maxQueued  = 256 // that wait
)

// ErrRefused is for a gateway that will not take the node, however often it asks.
var ErrRefused = errors.New("the gateway refuses this node")

// Options says whom to serve, and how. All of it is required.
type Options struct {
	Client   client.Options  // Role, Mode, Node and OnEvent are set by the host
	Policy   execpolicy.File // what may run
	Environ  []string        // that commands inherit, NAME=value; what must not be handed on is taken out
	Log      *slog.Logger
	PairHint func(requestID string) string // how a person lets the node in
}

// Host serves one gateway. Serve is to be called once.
type Host struct {
	o     Options
	tools toolbox
}

// New returns a host.
func New(o Options) *Host {
	tools := newToolbox(o.Environ)
	o.Client.Role, o.Client.Mode, o.Client.Scopes = protocol.RoleNode, "node", nil
	o.Client.Node = &protocol.NodeOffer{Caps: []string{"system"}, PathEnv: tools.path,
		Commands: []string{protocol.CommandRun, protocol.CommandWhich, protocol.CommandApprovalsGet, protocol.CommandApprovalsSet}}
	return &Host{o: o, tools: tools}
}

// Serve connects, again and again, and carries out what is asked, until ctx ends or
// the gateway refuses the node for good. Nothing that it started runs on then.
func (h *Host) Serve(ctx context.Context) error {
	var asked chan protocol.NodeInvokeEvent // of the connection that is
	return client.Follow(ctx, func(ctx context.Context) (*client.Client, error) {
		requests := make(chan protocol.NodeInvokeEvent, maxQueued)
		asked = requests
		o := h.o.Client
		o.OnEvent = func(e protocol.Event) { h.take(e, requests) }
		c, err := client.Dial(ctx, o)
		if err != nil {
			return nil, h.explain(ctx, err)
		}
		h.o.Log.Info("connected", "gateway", o.URL)
		return c, nil
	}, func(ctx context.Context, c *client.Client) error {
		h.serve(ctx, c, asked)
		if ctx.Err() == nil {
			h.o.Log.Warn("the connection has ended; connecting again", "gateway", h.o.Client.URL)
		}
		return nil
	})
}

// explain logs why a connection was not made, and marks what trying again will not mend.
func (h *Host) explain(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*client.RefusedError](err)
	switch {
	case ctx.Err() != nil:
	case ok && refused.Err.Code == protocol.CodeNotPaired && requestID(refused.Err) != "":
		h.o.Log.Warn("this node waits to be let in; on the gateway's machine run: " + h.o.PairHint(requestID(refused.Err)))
	case ok && refused.Err.Code != protocol.CodeUnavailable && !strings.Contains(refused.Err.Message, "retry later") && h.o.Client.Identity.Token(protocol.RoleNode) == "":
		return client.Permanent(fmt.Errorf("%w: %w", ErrRefused, err))
	default:
		h.o.Log.Warn("no connection", "gateway", h.o.Client.URL, "err", err)
	}
	return err
}

func requestID(e *protocol.Error) string {
	details, _ := e.Details.(map[string]any)
	id, _ := details["requestId"].(string)
	return id
}

// take queues a request; one too many is left to the gateway's time limit.
func (h *Host) take(e protocol.Event, requests chan<- protocol.NodeInvokeEvent) {
	if e.Event != "node.invoke.request" {
		return
	}
	var req protocol.NodeInvokeEvent
	if err := json.Unmarshal(e.Payload, &req); err != nil {
		h.o.Log.Warn("a request of the gateway cannot be read", "err", err)
		return
	}
	select {
	case requests <- req:
	default:
		h.o.Log.Warn("too many requests wait; one is dropped", "command", req.Command)
	}
}

// serve answers what is asked on one connection. When that ends, what runs for it is
// ended too: nobody would hear of it.
func (h *Host) serve(ctx context.Context, c *client.Client, requests <-chan protocol.NodeInvokeEvent) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	slots := make(chan struct{}, maxRunning)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.Done():
			return
		case req := <-requests:
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			case <-c.Done():
				return
			}
			running.Go(func() {
				h.answer(ctx, c, req)
				<-slots
			})
		}
	}
}

// answerTimeout is how long the gateway may take to take note of an answer.
const answerTimeout = 10 * time.Second

func (h *Host) answer(ctx context.Context, c *client.Client, req protocol.NodeInvokeEvent) {
	result := protocol.NodeInvokeResultParams{ID: req.ID, NodeID: req.NodeID}
	payload, err := h.carryOut(ctx, c, req)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		var raw []byte
		if raw, err = json.Marshal(payload); err == nil {
			result.PayloadJSON, err = json.Marshal(string(raw))
			result.OK = true
		}
	}
	if err != nil {
		e, ok := errors.AsType[*protocol.Error](err)
		if !ok {
			e = &protocol.Error{Code: protocol.CodeUnavailable, Message: err.Error()}
		}
		result.OK, result.Error = false, &protocol.NodeError{Code: e.Code, Message: e.Message}
	}
	h.tell(ctx, c, "node.invoke.result", result)
}

// tell makes a request whose answer does not matter.
func (h *Host) tell(ctx context.Context, c *client.Client, method string, params any) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := c.Call(ctx, method, params, nil); err != nil && ctx.Err() == nil {
		h.o.Log.Warn("the gateway did not take what it was told", "method", method, "err", err)
	}
}

func (h *Host) carryOut(ctx context.Context, c *client.Client, req protocol.NodeInvokeEvent) (any, error) {
	params := json.RawMessage("{}")
	if req.ParamsJSON != nil {
		params = json.RawMessage(*req.ParamsJSON)
	}
	switch req.Command {
	case protocol.CommandRun:
		p, err := decode[runParams](params)
		if err != nil {
			return nil, err
		}
		return h.run(ctx, c, req, p)
	case protocol.CommandWhich:
		p, err := decode[whichParams](params)
		if err != nil {
			return nil, err
		}
		return h.tools.which(p), nil
	case protocol.CommandApprovalsGet:
		s, err := h.o.Policy.Ensure(ctx)
		return execpolicy.Shown(s), err
	case protocol.CommandApprovalsSet:
		p, err := decode[protocol.ExecApprovalsSetParams](params)
		if err != nil {
			return nil, err
		}
		s, err := h.o.Policy.Set(ctx, p.File, p.BaseHash)
		return execpolicy.Shown(s), err
	}
	return nil, protocol.Invalid("command not supported: " + req.Command)
}

// decode reads parameters, all of which must be known and sound.
func decode[P any](raw json.RawMessage) (p P, err error) {
	p, wrong := rpc.ParamsOf[P]().Read(raw)
	if wrong != "" {
		return p, protocol.Invalid("invalid params: " + wrong)
	}
	return p, nil
}
