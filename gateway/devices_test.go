package gateway_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// fromAfar returns the address of a proxy before r: who comes through it is not local.
func (r *running) fromAfar(t *testing.T) *running {
	t.Helper()
	target, err := url.Parse(strings.Replace(r.url, "ws://", "http://", 1))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(proxy.Close)
	return &running{url: strings.Replace(proxy.URL, "http://", "ws://", 1)}
}

// TestPairing: a device from afar waits until an operator lets it in, its token
// can be changed and made worthless, and once removed it is out at once.
func TestPairing(t *testing.T) {
	t.Parallel()
	r := start(t)
	far := r.fromAfar(t)
	events := make(chan protocol.Event, 64)
	op, err := r.dial(t, client.Options{Token: secret, Identity: identity(t), Mode: "ui", OnEvent: func(e protocol.Event) {
		if strings.HasPrefix(e.Event, "device.pair.") {
			events <- e
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	call := func(method string, params, result any) {
		t.Helper()
		if err := op.Call(t.Context(), method, params, result); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
	device := identity(t)
	dial := func(token string) (*client.Client, error) {
		return far.dial(t, client.Options{Token: token, Identity: device, Mode: "ui", ClientID: "gateway-client"})
	}
	refused := func(token, want string) {
		t.Helper()
		c, err := dial(token)
		if e, ok := errors.AsType[*client.RefusedError](err); !ok || !strings.Contains(e.Err.Message, want) {
			t.Fatalf("got %v, %v; want %s", c, err, want)
		}
	}
	list := func() (res protocol.DevicePairListResult) {
		t.Helper()
		call("device.pair.list", nil, &res)
		return res
	}

	refused(secret, "pairing required")
	if e := <-events; e.Event != "device.pair.requested" {
		t.Fatalf("event %s", e.Event)
	}
	waiting := list().Pending
	if len(waiting) != 1 || waiting[0].DeviceID != device.ID() || waiting[0].Silent {
		t.Fatalf("pending %+v", waiting)
	}
	var rejected protocol.DevicePairRejectResult
	call("device.pair.reject", protocol.PairRequestParams{RequestID: waiting[0].RequestID}, &rejected)
	if e := <-events; e.Event != "device.pair.resolved" || !strings.Contains(string(e.Payload), protocol.Rejected) || rejected.DeviceID != device.ID() {
		t.Fatalf("event %s %s, %+v", e.Event, e.Payload, rejected)
	}
	if err := op.Call(t.Context(), "device.pair.approve", protocol.PairRequestParams{RequestID: waiting[0].RequestID}, nil); text(err) != "unknown requestId" {
		t.Fatalf("a rejected request: %v", err)
	}

	refused(secret, "pairing required")
	<-events
	var approved protocol.DevicePairApproveResult
	call("device.pair.approve", protocol.PairRequestParams{RequestID: list().Pending[0].RequestID}, &approved)
	if e := <-events; !strings.Contains(string(e.Payload), protocol.Approved) || approved.Device.DeviceID != device.ID() || len(approved.Device.Tokens) != 1 {
		t.Fatalf("event %s, %+v", e.Payload, approved)
	}
	c, err := dial(secret)
	if err != nil {
		t.Fatal(err)
	}
	first := c.Hello().Auth.DeviceToken

	var rotated protocol.DeviceTokenRotateResult
	call("device.token.rotate", protocol.DeviceTokenRotateParams{DeviceID: device.ID(), Role: protocol.RoleOperator}, &rotated)
	refused(first, "device token mismatch")
	if _, err := dial(rotated.Token); err != nil {
		t.Fatalf("with the new token: %v", err)
	}
	var revoked protocol.DeviceTokenRevokeResult
	call("device.token.revoke", protocol.DeviceTokenRevokeParams{DeviceID: device.ID(), Role: protocol.RoleOperator}, &revoked)
	refused(rotated.Token, "device token mismatch")
	if rec := record(list(), device.ID()); rec == nil || rec.Tokens[0].RevokedAtMs != revoked.RevokedAtMs || revoked.RevokedAtMs == 0 {
		t.Errorf("revoked %+v, listed %+v", revoked, rec)
	}

	call("device.pair.remove", protocol.DeviceParams{DeviceID: device.ID()}, nil)
	<-c.Done()
	if err := c.Call(t.Context(), "health", nil, nil); err == nil || err.Error() != "gateway closed (1008): device removed [coderclaw --profile test devices list]" {
		t.Errorf("removed: %v", err)
	}
	if record(list(), device.ID()) != nil {
		t.Error("it is still listed")
	}
	refused(secret, "pairing required")
	for method, params := range map[string]any{
		"device.pair.remove":  protocol.DeviceParams{DeviceID: device.ID()},
		"device.token.rotate": protocol.DeviceTokenRotateParams{DeviceID: device.ID(), Role: "operator"},
		"device.token.revoke": protocol.DeviceTokenRevokeParams{DeviceID: device.ID(), Role: "operator"},
	} {
		if err := op.Call(t.Context(), method, params, nil); err == nil || !strings.HasPrefix(err.Error(), "unknown deviceId") {
			t.Errorf("%s of a device that is not there: %v", method, err)
		}
	}
}

func record(l protocol.DevicePairListResult, id string) *protocol.PairedDevice {
	for _, d := range l.Paired {
		if d.DeviceID == id {
			return &d
		}
	}
	return nil
}

// TestPairingGrantsNoMore: who may only pair cannot make a device that may do more.
func TestPairingGrantsNoMore(t *testing.T) {
	t.Parallel()
	r := start(t)
	weak, err := r.dial(t, client.Options{Token: secret, Identity: identity(t), Scopes: []string{"operator.pairing"}})
	if err != nil {
		t.Fatal(err)
	}
	device := identity(t)
	_, _ = r.fromAfar(t).dial(t, client.Options{Token: secret, Identity: device}) // wants to be an admin, and has to wait
	var l protocol.DevicePairListResult
	if err := weak.Call(t.Context(), "device.pair.list", nil, &l); err != nil || len(l.Pending) != 1 {
		t.Fatalf("%+v, %v", l, err)
	}
	err = weak.Call(t.Context(), "device.pair.approve", protocol.PairRequestParams{RequestID: l.Pending[0].RequestID}, nil)
	if text(err) != "missing scope: operator.admin" {
		t.Errorf("approve: %v", err)
	}
	err = weak.Call(t.Context(), "device.token.rotate", protocol.DeviceTokenRotateParams{DeviceID: l.Paired[0].DeviceID, Role: "operator", Scopes: []string{"operator.admin"}}, nil)
	if text(err) != "missing scope: operator.admin" {
		t.Errorf("rotate: %v", err)
	}
	// Without scopes it would be what the device had, a revoked token's too.
	strong := identity(t)
	admin, err := r.dial(t, client.Options{Token: secret, Identity: strong})
	if err != nil {
		t.Fatal(err)
	}
	call(t, admin, "device.token.revoke", protocol.DeviceTokenRevokeParams{DeviceID: strong.ID(), Role: "operator"}, nil)
	err = weak.Call(t.Context(), "device.token.rotate", protocol.DeviceTokenRotateParams{DeviceID: strong.ID(), Role: "operator"}, nil)
	if text(err) != "missing scope: operator.admin" {
		t.Errorf("rotate to the scopes that it had: %v", err)
	}
	call(t, admin, "device.pair.list", nil, &l)
	if rec := record(l, strong.ID()); rec == nil || rec.Tokens[0].RevokedAtMs == 0 {
		t.Errorf("the revoked token counts again: %+v", rec)
	}
	if err := weak.Call(t.Context(), "device.pair.list", nil, &l); err != nil || len(l.Pending) != 1 {
		t.Errorf("the request is lost: %+v, %v", l, err)
	}
}

// TestDevicePairingBroadcast: who may pair hears also of a device that is paired unasked.
func TestDevicePairingBroadcast(t *testing.T) {
	t.Parallel()
	r := start(t)
	_, heard := r.hear(t, "device.pair.resolved")
	other := identity(t)
	if _, err := r.dial(t, client.Options{Token: secret, Identity: other}); err != nil {
		t.Fatal(err)
	}
	e := <-heard
	if p := decode[protocol.PairResolvedEvent](t, e.Payload); p.DeviceID != other.ID() || p.Decision != "approved" {
		t.Errorf("got %+v", p)
	}
}

// TestRemoteDeviceMustBePaired: a device that does not connect from this machine
// waits for somebody's approval, whatever secret it has.
func TestRemoteDeviceMustBePaired(t *testing.T) {
	t.Parallel()
	r := start(t)
	w := r.open(t, http.Header{"X-Forwarded-For": {"198.51.100.7"}})
	w.post("1", "connect", newKey(t).sign(plain(), time.Now(), w.nonce))
	code, reason, no := w.closed()
	if no == nil || no.Code != protocol.CodeNotPaired || no.Message != "pairing required" {
		t.Fatalf("answered %+v", no)
	}
	details, _ := no.Details.(map[string]any)
	request, _ := details["requestId"].(string)
	if code != protocol.ClosePolicy || request == "" || reason != "pairing required [coderclaw --profile test devices approve "+request+"]" {
		t.Errorf("closed with %d %s", code, reason)
	}
}

// TestRemovedWhileItComesIn: a device that is removed when its handshake is all but over
// does not stay.
func TestRemovedWhileItComesIn(t *testing.T) {
	t.Parallel()
	device := identity(t)
	var op *client.Client
	r := startWith(t, func(o *gateway.Options) {
		gateway.Welcoming(o, func(id string) {
			if id != device.ID() {
				return
			}
			if err := op.Call(t.Context(), "device.pair.remove", protocol.DeviceParams{DeviceID: id}, nil); err != nil {
				t.Errorf("remove: %v", err)
			}
		})
	})
	var err error
	if op, err = r.dial(t, client.Options{Token: secret, Identity: identity(t)}); err != nil {
		t.Fatal(err)
	}
	c, err := r.dial(t, client.Options{Token: secret, Identity: device})
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if err := c.Call(t.Context(), "health", nil, nil); err == nil || !strings.Contains(err.Error(), "device removed") {
		t.Errorf("removed: %v", err)
	}
}

// TestManyPairingRequests: who knows the secret cannot fill disk and memory with devices.
func TestManyPairingRequests(t *testing.T) {
	t.Parallel()
	r := start(t)
	far := r.fromAfar(t)
	op, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
	if err != nil {
		t.Fatal(err)
	}
	knock := func() string {
		w := far.open(t, nil)
		defer w.conn.CloseNow()
		return w.ask("c", "connect", newKey(t).sign(plain(), time.Now(), w.nonce)).Error.Message
	}
	for range auth.MaxPending {
		if got := knock(); got != "pairing required" {
			t.Fatal(got)
		}
	}
	if got := knock(); !strings.Contains(got, "wait already") {
		t.Errorf("one more: %s", got)
	}
	var l protocol.DevicePairListResult
	call(t, op, "device.pair.list", nil, &l)
	if len(l.Pending) != auth.MaxPending {
		t.Fatalf("%d wait", len(l.Pending))
	}
	call(t, op, "device.pair.reject", protocol.PairRequestParams{RequestID: l.Pending[0].RequestID}, nil)
	if got := knock(); got != "pairing required" {
		t.Errorf("when there is room again: %s", got)
	}
}
