package gateway

import (
	"context"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// countChanged hands the pulse the number of clients, the latest only.
func (g *Gateway) countChanged(n int) {
	for {
		select {
		case g.counts <- n:
			return
		default:
		}
		select {
		case <-g.counts: // outdated
		default:
		}
	}
}

// pulse sends tick, and with every second one a fresh health, as long as there
// are clients. Without any it waits for one and wakes nobody.
func (g *Gateway) pulse(ctx context.Context) {
	const interval = protocol.TickIntervalMs * time.Millisecond
	var tick <-chan time.Time
	var ticker *time.Ticker
	stop := func() {
		if ticker != nil {
			ticker.Stop()
		}
		ticker, tick = nil, nil
	}
	defer stop()
	for odd := false; ; {
		select {
		case <-ctx.Done():
			return
		case n := <-g.counts:
			if n == 0 {
				stop()
			} else if ticker == nil {
				ticker = time.NewTicker(interval)
				tick = ticker.C
			}
		case now := <-tick:
			g.broadcast("tick", protocol.TickEvent{TS: now.UnixMilli()}, rpc.Delivery{Drop: true})
			if odd = !odd; !odd {
				g.broadcastHealth()
			}
		}
	}
}

func (g *Gateway) broadcast(event string, payload any, d rpc.Delivery) {
	if err := g.hub.Broadcast(event, payload, d); err != nil {
		g.o.Log.Error("event", "event", event, "err", err)
	}
}

func (g *Gateway) broadcastHealth() {
	raw, _, err := g.health.Summary(true)
	if err != nil {
		g.o.Log.Error("health", "err", err)
		return
	}
	g.broadcast("health", raw, rpc.Delivery{Version: g.versions()})
}

func (g *Gateway) versions() *protocol.StateVersion {
	_, version := g.health.Cached()
	return &protocol.StateVersion{Presence: g.presence.Version(), Health: version}
}
