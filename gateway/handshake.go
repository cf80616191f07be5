package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// deviceExpired refuses a device whose clock is too far off.
const deviceExpired = "device signature expired"

// clockSkew is how far the clock of a device may be off.
const clockSkew = 10 * time.Minute

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

// attempt is one client's try to get in.
type attempt struct {
	g     *Gateway
	p     *protocol.ConnectParams
	r     *http.Request
	peer  auth.Peer
	nonce string
	ui    config.ControlUI
	key   string // normalised public key of the device
	token *auth.DeviceToken

	paired   bool      // the device had to be paired, and is
	signedIn time.Time // until when the browser of a ticket is; zero for other clients
}

// run is steps 5 to 11 of the protocol's order of checks. It may change the
// parameters: a client without a device loses its scopes.
func (a *attempt) run(ctx context.Context) *refusal {
	g, p := a.g, a.p
	secret, password := "", ""
	if p.Auth != nil {
		secret, password = p.Auth.Token, p.Auth.Password
	}
	bypass := p.Client.IsControlUI() && (a.ui.AllowInsecureAuth || a.ui.DangerouslyDisableDeviceAuth)
	if p.Client.IsControlUI() && a.ui.DangerouslyDisableDeviceAuth {
		p.Device = nil
	}
	if !a.signedIn.IsZero() {
		return a.byTicket(secret)
	}
	judge := func() auth.Verdict {
		return g.gate.Judge(ctx, auth.Claim{Request: a.r, Peer: a.peer, Token: secret, Password: password, Device: p.Device != nil})
	}
	if p.Device == nil {
		return a.withoutDevice(judge(), bypass, secret != "" || password != "")
	}
	// Before the secret is looked at: a wrong one is counted only once the device has been
	// looked for, so nobody without a device may learn by the count whether it was right.
	if message := a.checkDevice(secret); message != "" {
		no := refuse(message)
		if message == deviceExpired {
			no.reason = "by its clock, which counts up to " + clockSkew.String() + " of difference, it signed at " + time.UnixMilli(p.Device.SignedAt).Format(time.RFC3339)
		}
		return no
	}
	v := judge()
	if !v.OK && secret != "" {
		var err error
		v, err = g.gate.GuessDevice(a.peer, func() (bool, error) { return g.devices.VerifyToken(p.Device.ID, p.Role, secret, p.Scopes) })
		if err != nil {
			return a.broken(err)
		}
	}
	if !v.OK {
		return unauthorized(v, p.Client)
	}
	if bypass && v.Shared {
		return nil
	}
	return a.pair()
}

// unauthorized tells a client no more of the reason than it may know.
func unauthorized(v auth.Verdict, client protocol.ClientInfo) *refusal {
	no := refuse(auth.Message(v.Reason, client))
	no.reason = v.Reason
	return no
}

// byTicket lets in the Control UI of this very user. It is given no token of a device,
// which would outlive the time that the browser is signed in for.
func (a *attempt) byTicket(secret string) *refusal {
	if a.p.Device == nil {
		return nil
	}
	if message := a.checkDevice(secret); message != "" {
		return refuse(message)
	}
	return nil
}

// withoutDevice lets nobody in but who knows the shared secret.
func (a *attempt) withoutDevice(v auth.Verdict, bypass, tried bool) *refusal {
	if !bypass {
		a.p.Scopes = nil
	}
	switch {
	case a.p.Client.IsControlUI() && !bypass:
		return refuse("control ui requires HTTPS or localhost (secure context)")
	case v.Shared:
		return nil
	case !v.OK && tried:
		return unauthorized(v, a.p.Client)
	}
	return &refusal{err: &protocol.Error{Code: protocol.CodeNotPaired, Message: "device identity required"}, code: protocol.ClosePolicy}
}

// checkDevice verifies that the client holds the device's key, and returns what
// is wrong, "" if nothing is.
func (a *attempt) checkDevice(secret string) string {
	d := a.p.Device
	key, err := protocol.ParsePublicKey(d.PublicKey)
	nonce := strings.TrimSpace(d.Nonce)
	skew := time.Since(time.UnixMilli(d.SignedAt)).Abs()
	switch {
	case err == nil && protocol.DeviceID(key) != d.ID:
		return "device identity mismatch"
	case err != nil:
		return err.Error()
	case skew > clockSkew:
		return deviceExpired
	case nonce == "" && !a.peer.Local:
		return "device nonce required"
	case nonce != "" && nonce != a.nonce:
		return "device nonce mismatch"
	}
	payload := protocol.DevicePayload(d.ID, a.p.Client.ID, a.p.Client.Mode, a.p.Role, a.p.Scopes, d.SignedAt, secret, nonce)
	if !protocol.Verify(key, payload, d.Signature) {
		return "device signature invalid"
	}
	a.key = protocol.FormatPublicKey(key)
	return ""
}

// pair makes sure that the device is paired and has a token.
func (a *attempt) pair() *refusal {
	g, p := a.g, a.p
	out, err := g.devices.Pair(auth.Connect{
		DeviceID: p.Device.ID, PublicKey: a.key, DisplayName: p.Client.DisplayName, Platform: p.Client.Platform,
		ClientID: p.Client.ID, ClientMode: p.Client.Mode, Role: p.Role, Scopes: p.Scopes, RemoteIP: a.peer.Report, Silent: a.peer.Local,
	})
	if errors.Is(err, auth.ErrManyPending) {
		return &refusal{err: &protocol.Error{Code: protocol.CodeUnavailable, Message: "Error: " + err.Error()}, code: protocol.ClosePolicy}
	}
	if err != nil {
		return a.broken(err)
	}
	if out.Unsaved != nil {
		g.o.Log.Warn("the description of a paired device was not saved", "device", p.Device.ID, "err", out.Unsaved)
	}
	if out.Silent {
		g.pairResolved(protocol.PairResolvedEvent{RequestID: out.RequestID, DeviceID: p.Device.ID, Decision: protocol.Approved, TS: time.Now().UnixMilli()})
	}
	if !out.Paired {
		if out.Created {
			g.broadcast("device.pair.requested", out.Request)
		}
		return &refusal{err: &protocol.Error{Code: protocol.CodeNotPaired, Message: "pairing required",
			Details: map[string]string{"requestId": out.RequestID}}, code: protocol.ClosePolicy, about: out.RequestID}
	}
	a.paired = true
	if a.token, err = g.devices.EnsureToken(p.Device.ID, p.Role, p.Scopes); err != nil {
		return a.broken(err)
	}
	return nil
}

// pairResolved tells those who may pair what became of a pairing request.
func (g *Gateway) pairResolved(e protocol.PairResolvedEvent) {
	g.broadcast("device.pair.resolved", e)
}

// part ends the connections of a device that was removed.
func (g *Gateway) part(deviceID string) {
	g.hub.RefuseDevice(deviceID, "device removed")
}

// broken refuses a client because the store of devices cannot be used.
func (a *attempt) broken(err error) *refusal {
	a.g.o.Log.Error("device store", "err", err)
	return &refusal{err: &protocol.Error{Code: protocol.CodeUnavailable, Message: "Error: the store of paired devices cannot be used; see the gateway's log"}, code: protocol.ClosePolicy}
}

// hello is what a client that was let in is told, but for presence and health.
func (g *Gateway) hello(s *rpc.Session, token *auth.DeviceToken) protocol.Hello {
	h := protocol.Hello{
		Type: protocol.TypeHello, Protocol: protocol.Version,
		Server:   protocol.Server{Version: g.o.Version, Commit: g.o.Commit, Host: g.presence.Host(), ConnID: s.ID},
		Features: g.offer,
		Snapshot: protocol.Snapshot{
			StateVersion: *g.versions(), UptimeMs: time.Since(g.started).Milliseconds(),
			ConfigPath: g.o.ConfigPath, StateDir: g.o.StateDir, AuthMode: g.o.Auth.Mode,
			SessionDefaults: &protocol.SessionDefaults{DefaultAgentID: "main", MainKey: "main", MainSessionKey: "agent:main:main", Scope: "per-sender"},
		},
		Policy: protocol.Policy{MaxPayload: protocol.MaxPayload, MaxBufferedBytes: protocol.MaxBufferedBytes, TickIntervalMs: protocol.TickIntervalMs},
	}
	if token != nil {
		h.Auth = &protocol.HelloAuth{DeviceToken: token.Token, Role: token.Role, Scopes: token.Scopes, IssuedAtMs: token.IssuedAtMs()}
	}
	return h
}

// encode is the frame that brings hello, with presence and health, which are encoded
// already and most of it: json.Marshal would read them through twice.
func (g *Gateway) encode(id string, h protocol.Hello) ([]byte, error) {
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	head, tail, ok := bytes.Cut(raw, []byte(`"presence":null,"health":null`)) // in no string: its quotes would be escaped
	if !ok {
		return nil, errors.New("hello has no place for presence and health")
	}
	health, _ := g.health.Cached()
	if health == nil {
		health = json.RawMessage("{}")
	}
	b := append(rpc.AppendSuccess(nil, id), head...)
	b = g.presence.Append(append(b, `"presence":`...), len(health)+len(tail)+16)
	b = append(append(b, `,"health":`...), health...)
	return append(append(b, tail...), '}'), nil
}
