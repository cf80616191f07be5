package gateway

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
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
// are clients; in between it is sent when other profiles have got into other
// trouble. Without any it waits for one and wakes nobody.
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
	var last beatState
	var trim trimmer
	defer trim.stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-trim.due():
			trim.run()
		case n := <-g.counts:
			trim.count(n)
			if n == 0 {
				stop()
			} else if ticker == nil {
				ticker = time.NewTicker(interval)
				tick = ticker.C
			}
			if n > 0 && g.o.Rescue != nil && time.Since(last.looked) >= interval && g.look(ctx, &last) {
				g.broadcastHealth(ctx) // nobody was here to be told
			}
		case now := <-tick:
			g.beat(ctx, now, &last)
		}
	}
}

// beatState is what one beat of the pulse leaves for the next.
type beatState struct {
	odd    bool
	told   protocol.Siblings // with the last health that was sent to all
	looked time.Time         // when told was found out
}

func (g *Gateway) beat(ctx context.Context, now time.Time, b *beatState) {
	g.broadcast("tick", protocol.TickEvent{TS: now.UnixMilli()})
	changed := g.look(ctx, b)
	if b.odd = !b.odd; !b.odd || changed {
		g.broadcastHealth(ctx)
	}
}

// look tells whether other profiles are in other trouble than at the last look.
func (g *Gateway) look(ctx context.Context, b *beatState) bool {
	others := g.health.Siblings(ctx)
	changed := !reflect.DeepEqual(others, b.told)
	b.told, b.looked = others, time.Now()
	return changed
}

// tellHeartbeat tells everybody what came of a heartbeat.
func (g *Gateway) tellHeartbeat(e protocol.HeartbeatEvent) {
	g.broadcast("heartbeat", e)
}

// askedDelay is for how long new summaries of health are gathered that came of
// questions, before everybody is told of the last: a client that asks again and again
// is not to cost an event for everybody each time.
const askedDelay = time.Second

// tellHealth tells everybody of the last summary.
func (g *Gateway) tellHealth() {
	if raw, version := g.health.Cached(); raw != nil && g.hub.Count() > 0 {
		g.broadcastOf("health", raw, g.healthAt(version))
	}
}

// aroundDelay is for how long changes of presence are gathered before everybody is told:
// each event names everybody, so one for each would be n² when n leave at once.
const aroundDelay = 50 * time.Millisecond

// tellPresence tells everybody who is around.
func (g *Gateway) tellPresence() {
	if g.hub.Count() > 0 {
		list, version := g.presence.Snapshot()
		payload := slices.Concat([]byte(`{"presence":`), list, []byte("}")) // a protocol.PresenceEvent
		v := g.versions()
		v.Presence = version
		g.broadcastOf("presence", json.RawMessage(payload), v)
	}
}

func (g *Gateway) broadcastHealth(ctx context.Context) {
	raw, version, err := g.health.Summary(ctx, true)
	if err != nil {
		g.o.Log.Error("health", "err", err)
		return
	}
	g.broadcastOf("health", raw, g.healthAt(version))
}

// healthAt is what a health of that version is sent with: there may be a newer one by then.
func (g *Gateway) healthAt(version int64) *protocol.StateVersion {
	return &protocol.StateVersion{Presence: g.presence.Version(), Health: version}
}

func (g *Gateway) versions() *protocol.StateVersion {
	_, version := g.health.Cached()
	return &protocol.StateVersion{Presence: g.presence.Version(), Health: version}
}
