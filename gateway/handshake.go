package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// refusal ends a handshake: the error answers the request, then the connection
// is closed with the code and, unless reason says otherwise, the error's message.
type refusal struct {
	err    *protocol.Error
	code   int
	reason string // finer than err, for the log only; often ""
	about  string // what the remedy is for, such as a request; often ""
}

func refuse(message string) *refusal {
	return &refusal{err: protocol.Invalid(message), code: protocol.ClosePolicy}
}

// handshake reads the first request and lets the client in or not. It reports
// whether it did; if not, the session has been told to close.
func (g *Gateway) handshake(ctx context.Context, s *rpc.Session, r *http.Request) bool {
	nonce := uuid.NewString()
	if err := s.Event("connect.challenge", protocol.Challenge{Nonce: nonce, TS: time.Now().UnixMilli()}); err != nil {
		g.o.Log.Error("challenge", "err", err)
	}
	raw, err := s.Read()
	if err != nil {
		return false
	}
	req, _, wrong := rpc.ParseRequest(raw)
	switch {
	case errors.Is(wrong, rpc.ErrNotJSON):
		s.Close(protocol.CloseNormal, "")
		return false
	case wrong != nil:
		g.logRefusal(s, r, "invalid request frame", wrong.Error())
		s.Refuse("invalid request frame", "")
		return false
	}
	hello, paired, no := g.connect(ctx, s, r, req, nonce)
	if no != nil {
		g.logRefusal(s, r, no.err.Message, no.reason)
		s.Fail(req.ID, no.err)
		if no.code == protocol.ClosePolicy {
			s.Refuse(no.err.Message, no.about)
		} else {
			s.Close(no.code, no.err.Message)
		}
		return false
	}
	frame, err := g.encode(req.ID, hello)
	if err != nil {
		g.o.Log.Error("hello", "err", err)
		s.Refuse("internal error", "")
		return false
	}
	if s.Role == protocol.RoleNode {
		g.nodes.Join(s) // before the hello: who has it is there
	}
	if g.o.welcoming != nil {
		g.o.welcoming(s.DeviceID)
	}
	g.hub.Welcome(s, frame)
	if paired {
		g.stillPaired(s)
	}
	return true
}

// stillPaired parts with a device that was removed while it came in: whoever removed it
// has parted with the connections that were welcomed by then.
func (g *Gateway) stillPaired(s *rpc.Session) {
	ok, err := g.devices.Paired(s.DeviceID)
	if err != nil {
		g.o.Log.Error("device store", "err", err)
	}
	if !ok {
		g.part(s.DeviceID)
	}
}

// logRefusal tells the owner of the gateway more than the client is told.
func (g *Gateway) logRefusal(s *rpc.Session, r *http.Request, why, finer string) {
	attrs := []any{"conn", s.ID, "client", s.Client.ID, "remote", r.RemoteAddr, "why", why}
	if finer != "" {
		attrs = append(attrs, "reason", finer)
	}
	g.o.Log.Info("a client was refused", attrs...)
}

// connect checks a client in the order that the protocol fixes, so that a
// client of the family meets the refusal that it knows how to handle. paired tells whether
// it was let in as a device that is paired.
func (g *Gateway) connect(ctx context.Context, s *rpc.Session, r *http.Request, req protocol.Request, nonce string) (hello protocol.Hello, paired bool, no *refusal) {
	none := protocol.Hello{}
	if req.Method != "connect" {
		return none, false, refuse("invalid handshake: first request must be connect")
	}
	params := req.Params
	if len(params) == 0 {
		params = json.RawMessage("{}")
	}
	p, wrong := g.connects.Read(params)
	if wrong != "" {
		return none, false, refuse("invalid connect params: " + wrong)
	}
	s.Client = p.Client
	if p.MaxProtocol < protocol.Version || p.MinProtocol > protocol.Version {
		no := refuse("protocol mismatch")
		no.err.Details = protocol.Mismatch{Code: protocol.CodeMismatch, ClientMin: p.MinProtocol, ClientMax: p.MaxProtocol, Expected: protocol.Version}
		no.code = protocol.CloseProtocol
		return none, false, no
	}
	if p.Role == "" {
		p.Role = protocol.RoleOperator
	}
	if p.Role != protocol.RoleOperator && p.Role != protocol.RoleNode {
		return none, false, refuse("invalid role")
	}
	cfg := g.o.Config.Config.Gateway
	if !auth.OriginAllowed(r, p.Client, cfg.ControlUI.AllowedOrigins) {
		return none, false, refuse(auth.OriginNotAllowed)
	}
	a := attempt{g: g, p: &p, r: r, peer: auth.PeerOf(r, cfg.TrustedProxies), nonce: nonce, ui: cfg.ControlUI}
	if p.Client.IsControlUI() && p.Role == protocol.RoleOperator {
		a.signedIn = g.browsers.sessions.Ends(r)
	}
	if no := a.run(ctx); no != nil {
		return none, false, no
	}
	s.Role, s.Scopes, s.RemoteIP, s.Ends = p.Role, p.Scopes, a.peer.Report, a.signedIn
	if p.Device != nil {
		s.DeviceID = p.Device.ID
	}
	if p.Role == protocol.RoleNode {
		s.Offer = g.nodes.Offer(p)
	}
	g.presence.Connected(s)
	return g.hello(s, a.token), a.paired, nil
}

// pairResolved tells those who may pair what became of a pairing request.
func (g *Gateway) pairResolved(e protocol.PairResolvedEvent) {
	g.broadcast("device.pair.resolved", e)
}

// part ends the connections of a device that was removed.
func (g *Gateway) part(deviceID string) {
	g.hub.RefuseDevice(deviceID, "device removed")
}
