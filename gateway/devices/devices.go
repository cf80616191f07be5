// Package devices owns the methods by which an operator decides which devices
// may come in: pairing requests, paired devices and their tokens. Where they are
// kept, and how one that connects is held against them, is package auth's.
package devices

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// Feature answers for the devices of one gateway.
type Feature struct {
	store *auth.Devices
	now   func() time.Time
	tell  func(protocol.PairResolvedEvent) // everybody who may pair
	part  func(deviceID string)            // ends the connections of a device
}

// New returns the feature. tell and part may be called at once from many goroutines.
func New(store *auth.Devices, now func() time.Time, tell func(protocol.PairResolvedEvent), part func(deviceID string)) *Feature {
	return &Feature{store, now, tell, part}
}

// Register adds the methods device.pair.* and device.token.*.
func (f *Feature) Register(m *rpc.Mux) {
	rpc.Handle(m, "device.pair.list", rpc.ScopePairing, f.list)
	rpc.Handle(m, "device.pair.approve", rpc.ScopePairing, f.approve)
	rpc.Handle(m, "device.pair.reject", rpc.ScopePairing, f.reject)
	rpc.Handle(m, "device.pair.remove", rpc.ScopePairing, f.remove)
	rpc.Handle(m, "device.token.rotate", rpc.ScopePairing, f.rotate)
	rpc.Handle(m, "device.token.revoke", rpc.ScopePairing, f.revoke)
}

func (f *Feature) list(context.Context, *rpc.Session, protocol.Empty) (protocol.DevicePairListResult, error) {
	pending, paired, err := f.store.List()
	if err != nil {
		return protocol.DevicePairListResult{}, err
	}
	slices.SortFunc(pending, func(a, b auth.Pending) int {
		return cmp.Or(cmp.Compare(b.TS, a.TS), cmp.Compare(a.RequestID, b.RequestID))
	})
	slices.SortFunc(paired, func(a, b auth.Device) int {
		return cmp.Or(cmp.Compare(b.ApprovedAtMs, a.ApprovedAtMs), cmp.Compare(a.DeviceID, b.DeviceID))
	})
	res := protocol.DevicePairListResult{Pending: append([]protocol.PairRequest{}, pending...), Paired: []protocol.PairedDevice{}}
	for _, d := range paired {
		res.Paired = append(res.Paired, view(d))
	}
	return res, nil
}

// view is a device as it may be shown.
func view(d auth.Device) protocol.PairedDevice {
	v := protocol.PairedDevice{DeviceID: d.DeviceID, PublicKey: d.PublicKey, DisplayName: d.DisplayName, Platform: d.Platform, ClientID: d.ClientID,
		ClientMode: d.ClientMode, Role: d.Role, Roles: d.Roles, Scopes: d.Scopes, RemoteIP: d.RemoteIP, CreatedAtMs: d.CreatedAtMs, ApprovedAtMs: d.ApprovedAtMs}
	for _, role := range slices.Sorted(maps.Keys(d.Tokens)) {
		t := d.Tokens[role]
		v.Tokens = append(v.Tokens, protocol.TokenRecord{Role: role, Scopes: t.Scopes, CreatedAtMs: t.CreatedAtMs, RotatedAtMs: t.RotatedAtMs,
			RevokedAtMs: t.RevokedAtMs, LastUsedAtMs: t.LastUsedAtMs})
	}
	return v
}

func (f *Feature) approve(_ context.Context, s *rpc.Session, p protocol.PairRequestParams) (protocol.DevicePairApproveResult, error) {
	d, err := f.store.Approve(p.RequestID, func(r auth.Pending) error { return mayGrant(s, r.Scopes) })
	if err != nil {
		return protocol.DevicePairApproveResult{}, wrong(err)
	}
	f.resolved(p.RequestID, d.DeviceID, protocol.Approved)
	return protocol.DevicePairApproveResult{RequestID: p.RequestID, Device: view(d)}, nil
}

func (f *Feature) reject(_ context.Context, _ *rpc.Session, p protocol.PairRequestParams) (protocol.DevicePairRejectResult, error) {
	id, err := f.store.Reject(p.RequestID)
	if err != nil {
		return protocol.DevicePairRejectResult{}, wrong(err)
	}
	f.resolved(p.RequestID, id, protocol.Rejected)
	return protocol.DevicePairRejectResult{RequestID: p.RequestID, DeviceID: id}, nil
}

func (f *Feature) resolved(requestID, deviceID, decision string) {
	f.tell(protocol.PairResolvedEvent{RequestID: requestID, DeviceID: deviceID, Decision: decision, TS: f.now().UnixMilli()})
}

// remove ends the connections of the device too: it was removed because it is not trusted any more.
func (f *Feature) remove(_ context.Context, _ *rpc.Session, p protocol.DeviceParams) (protocol.DeviceParams, error) {
	if err := f.store.Remove(p.DeviceID); err != nil {
		return protocol.DeviceParams{}, wrong(err)
	}
	f.part(p.DeviceID)
	return p, nil
}

func (f *Feature) rotate(_ context.Context, s *rpc.Session, p protocol.DeviceTokenRotateParams) (protocol.DeviceTokenRotateResult, error) {
	t, err := f.store.Rotate(p.DeviceID, p.Role, p.Scopes, func(scopes []string) error { return mayGrant(s, scopes) })
	if err != nil {
		return protocol.DeviceTokenRotateResult{}, wrong(err)
	}
	return protocol.DeviceTokenRotateResult{DeviceID: p.DeviceID, Role: t.Role, Token: t.Token, Scopes: t.Scopes, RotatedAtMs: t.IssuedAtMs()}, nil
}

// mayGrant keeps one who may only pair from making a device that may do more.
func mayGrant(s *rpc.Session, scopes []string) error {
	for _, scope := range scopes {
		if !s.May(rpc.Scope(scope)) {
			return protocol.Invalid("missing scope: " + scope)
		}
	}
	return nil
}

func (f *Feature) revoke(_ context.Context, _ *rpc.Session, p protocol.DeviceTokenRevokeParams) (protocol.DeviceTokenRevokeResult, error) {
	t, err := f.store.Revoke(p.DeviceID, p.Role)
	if err != nil {
		return protocol.DeviceTokenRevokeResult{}, wrong(err)
	}
	return protocol.DeviceTokenRevokeResult{DeviceID: p.DeviceID, Role: t.Role, RevokedAtMs: t.RevokedAtMs}, nil
}

// wrong tells what the caller got wrong from what went wrong here.
func wrong(err error) error {
	for _, known := range []error{auth.ErrUnknownRequest, auth.ErrUnknownDevice, auth.ErrUnknownToken} {
		if errors.Is(err, known) {
			return protocol.Invalid(known.Error())
		}
	}
	return err
}
