package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/coderclaw/coderclaw/gateway/door"
	"github.com/coderclaw/coderclaw/gateway/rpc"
	"github.com/coderclaw/coderclaw/gateway/ticket"
)

// Beats returns a beat of the pulse, which a test calls in place of the clock.
func (g *Gateway) Beats() func(context.Context) {
	var last beatState
	return func(ctx context.Context) { g.beat(ctx, time.Now(), &last) }
}

// Send sends an event to every client, as features do.
func (g *Gateway) Send(event string, payload any) {
	if err := g.hub.Broadcast(event, payload, rpc.Delivery{}); err != nil {
		panic(err)
	}
}

// TellFor sets how long clients that do not read hold up the closing of all others.
func TellFor(o *Options, d time.Duration) { o.tellTimeout = d }

// Clients is the number of clients that were let in.
func (g *Gateway) Clients() int { return g.hub.Count() }

// GreetFor sets how long a client may take to say who it is.
func GreetFor(o *Options, d time.Duration) { o.handshakeTimeout = d }

// ArriveFor sets how long after its connection was made a client may take to send a request
// that the end of the gateway waits for.
func ArriveFor(o *Options, d time.Duration) { o.arrival = d }

// Welcoming has fn called for each client that is let in, before it is told so.
func Welcoming(o *Options, fn func(deviceID string)) { o.welcoming = fn }

// Guard is what stands before every handler.
func (g *Gateway) Guard(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer g.surviveRequest(w, r)
		h(w, r)
	}
}

// Connections is the number of all connections, and of those that have not said who they are.
func (g *Gateway) Connections() (all, strangers int) { return g.door.Count() }

// Strangers is how many connections may be open that have not said who they are.
func Strangers() int { return door.LimitsFor(door.Files()).Strangers }

// SessionsAgo makes cookies as the gateway did some time ago.
func (g *Gateway) SessionsAgo(ago time.Duration) *ticket.Sessions {
	s := *g.browsers.sessions
	s.User = func(*http.Request) int { return -1 }
	s.Now = func() time.Time { return time.Now().Add(-ago) }
	return &s
}

// OriginOf is that of the tickets of a gateway with these listeners.
func OriginOf(o *Options) string { return originOf(o) }
