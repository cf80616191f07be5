package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// deviceExpired refuses a device whose clock is too far off.
const deviceExpired = "device signature expired"

// clockSkew is how far the clock of a device may be off.
const clockSkew = 10 * time.Minute

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

// run decides whether the client may come in by what it shows: a ticket, a secret, a
// device. It may change the parameters: a client without a device loses its scopes.
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

// broken refuses a client because the store of devices cannot be used.
func (a *attempt) broken(err error) *refusal {
	a.g.o.Log.Error("device store", "err", err)
	return &refusal{err: &protocol.Error{Code: protocol.CodeUnavailable, Message: "Error: the store of paired devices cannot be used; see the gateway's log"}, code: protocol.ClosePolicy}
}
