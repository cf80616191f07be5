package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// closeTimeout is how long a client may take to answer the closing of its
// connection: the successor starts only when nobody is left.
const closeTimeout = time.Second

// tellTimeout is how long clients that read slowly, or not at all, hold up the closing of
// all others, so that everybody has heard why before anybody is closed.
const tellTimeout = 2 * time.Second

// restartExpectedMs is what clients are told to expect before the successor answers.
const restartExpectedMs = 1500

// drain ends the gateway without losing an answer. The order is what matters:
// first nothing new is accepted (a supervisor still holds the socket, so new
// clients wait in its queue for the successor), then what was accepted is
// answered, then everybody is told, and only then is anything closed.
func (g *Gateway) drain(cause error, served <-chan error, running int) {
	g.draining.Store(true)
	g.o.Log.Info("draining", "clients", g.hub.Count())
	deadline, cancel := context.WithTimeout(context.Background(), max(g.o.Drain, g.o.arrival))
	defer cancel()
	for _, l := range g.o.Listeners {
		_ = l.Close() // our duplicate only; there is nothing to be done about a failure
	}
	for range running {
		<-served
	}
	g.server.SetKeepAlivesEnabled(false)
	g.door.Settle(deadline, g.o.arrival)

	event := protocol.ShutdownEvent{Reason: "gateway stopping"}
	if errors.Is(cause, ErrRestart) {
		expected := int64(restartExpectedMs)
		event = protocol.ShutdownEvent{Reason: "gateway restarting", RestartExpectedMs: &expected}
	}
	tell, told := context.WithTimeout(context.Background(), g.o.tellTimeout)
	defer told()
	if err := g.hub.Tell(tell, "shutdown", event, rpc.Delivery{}); err != nil {
		g.o.Log.Error("shutdown event", "err", err)
	}
	if err := g.server.Shutdown(deadline); err != nil {
		g.o.Log.Warn("requests were cut off by the deadline", "err", err)
		_ = g.server.Close()
	}
	g.approvals.Close()
	const why = "service restart"
	g.hub.FinishAll(deadline, protocol.CloseRestart, why)
	g.hub.CloseAll(protocol.CloseRestart, why) // those whose requests the deadline cut off
	kill := time.AfterFunc(closeTimeout, g.hub.Kill)
	defer kill.Stop()
	g.sessions.Wait()
}
