package gateway

import (
	"context"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/coderclaw/coderclaw/gateway/door"
	"github.com/coderclaw/coderclaw/gateway/presence"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// handshakeTimeout is how long a connection may take to say who it is.
const handshakeTimeout = 10 * time.Second

// requestTimeout is how long an HTTP request may take to come, and its answer to go.
const requestTimeout = 30 * time.Second

// upgrade makes the connection a WebSocket and returns; what serves it goes on
// in goroutines of its own, so that an idle client does not hold the buffers of
// an HTTP request.
func (g *Gateway) upgrade(w http.ResponseWriter, r *http.Request) {
	line := door.From(r)
	hijacker := &slim{ResponseWriter: w, line: line}
	conn, err := websocket.Accept(hijacker, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the origin counts for some clients only, and is checked once the client is known
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		g.o.Log.Debug("upgrade", "err", err) // Accept has answered
		return
	}
	line.Pace()
	// The request is over for net/http, but its headers are looked at later.
	kept := &http.Request{Method: r.Method, Host: r.Host, RemoteAddr: r.RemoteAddr, Header: r.Header.Clone()}
	ctx := context.WithoutCancel(r.Context()) // of the server, see http.Request.Context
	kept = kept.WithContext(ctx)
	s := g.hub.NewSession(uuid.NewString(), conn, hijacker.in)
	g.sessions.Go(func() {
		defer g.survive(line)
		s.Run(ctx, func(ctx context.Context) { g.serveSession(ctx, s, line, kept) })
	})
}

// survive ends one connection where the code that serves it panics, and not the gateway.
func (g *Gateway) survive(line *door.Conn) {
	if p := recover(); p != nil {
		g.o.Log.Error("serving a client panicked", "panic", p, "stack", string(debug.Stack()))
		_ = line.Close() // it may be closed already
	}
}

// serveSession lives as long as the client sends.
func (g *Gateway) serveSession(ctx context.Context, s *rpc.Session, line *door.Conn, r *http.Request) {
	if !g.letIn(ctx, s, line, r) {
		line.Refused()
		s.Discard()
		return
	}
	if s.Role == protocol.RoleNode {
		defer g.nodes.Leave(s)
	}
	if !s.Ends.IsZero() {
		end := time.AfterFunc(time.Until(s.Ends), func() { s.Refuse(signedOut, "") })
		defer end.Stop()
	}
	s.Serve(ctx)
	if presence.Tracked(s.Client) {
		g.presence.Disconnected(s)
		g.around.Note()
	}
}

// letIn does the handshake in its time and greets who is let in. It does so in a
// goroutine of its own, whose stack grows to several times of what it takes to wait for an idle
// client, and is not made smaller while it waits.
func (g *Gateway) letIn(ctx context.Context, s *rpc.Session, line *door.Conn, r *http.Request) (ok bool) {
	limit := time.AfterFunc(g.o.handshakeTimeout, func() { s.Close(protocol.CloseNormal, "") })
	done := make(chan struct{})
	g.sessions.Go(func() {
		defer close(done)
		defer g.survive(line)
		ok = g.handshake(ctx, s, r)
		limit.Stop()
		if !ok {
			return
		}
		line.Known()
		if s.Role == protocol.RoleNode {
			g.nodes.Greeted(s)
		}
		g.greet(s)
	})
	<-done
	return ok
}

// greet sends the newcomer a fresh health. Sending it to everybody, as others
// do, costs n² events for n clients.
func (g *Gateway) greet(s *rpc.Session) {
	raw, version, err := g.health.Glance() // the supervisor's probe is not to wait for an answer of the supervisor
	if err == nil {
		err = g.hub.Send(s, "health", raw, g.healthAt(version))
	}
	if err != nil {
		g.o.Log.Error("health", "err", err)
	}
}
