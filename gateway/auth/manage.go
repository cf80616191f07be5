package auth

import (
	"errors"
	"maps"
	"slices"
)

// What a person can be wrong about.
var (
	ErrUnknownRequest = errors.New("unknown requestId")
	ErrUnknownDevice  = errors.New("unknown deviceId")
	ErrUnknownToken   = errors.New("unknown deviceId/role")
)

// List returns copies of the pairing requests that wait and of the paired devices,
// in no order.
func (d *Devices) List() (pending []Pending, paired []Device, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.loadLocked(); err != nil {
		return nil, nil, err
	}
	d.forgetLocked()
	for _, p := range d.pending {
		pending = append(pending, *p)
	}
	for _, dev := range d.paired {
		paired = append(paired, dev.copy())
	}
	return pending, paired, nil
}

// Paired tells whether there is such a device.
func (d *Devices) Paired(deviceID string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.loadLocked(); err != nil {
		return false, err
	}
	return d.paired[deviceID] != nil, nil
}

// copy returns a device that shares nothing which changes, and has a map of tokens.
func (dev *Device) copy() Device {
	c := *dev
	c.Tokens = map[string]*DeviceToken{}
	maps.Copy(c.Tokens, dev.Tokens) // a token that changes is replaced as a whole
	return c
}

// forgetLocked drops the requests that nobody has answered in time. d.mu must be held.
func (d *Devices) forgetLocked() {
	maps.DeleteFunc(d.pending, func(_ string, p *Pending) bool { return Overdue(d.now(), p.TS) })
}

// Approve grants a request unless may returns an error for it, and returns the
// device. It fails with ErrUnknownRequest for one that is not there, or waits no longer.
func (d *Devices) Approve(requestID string, may func(Pending) error) (Device, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, err := d.findLocked(requestID)
	if err == nil {
		err = may(*p)
	}
	if err == nil {
		err = d.approveLocked(p)
	}
	if err != nil {
		return Device{}, err
	}
	return d.paired[p.DeviceID].copy(), d.waitLocked(requestID, nil)
}

// Reject drops a request and returns the id of its device.
func (d *Devices) Reject(requestID string) (deviceID string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, err := d.findLocked(requestID)
	if err != nil {
		return "", err
	}
	return p.DeviceID, d.waitLocked(requestID, nil)
}

// findLocked returns a request that still waits. d.mu must be held.
func (d *Devices) findLocked(requestID string) (*Pending, error) {
	if err := d.loadLocked(); err != nil {
		return nil, err
	}
	d.forgetLocked()
	p := d.pending[requestID]
	if p == nil {
		return nil, ErrUnknownRequest
	}
	return p, nil
}

// Remove forgets a paired device and its tokens. It fails with ErrUnknownDevice.
func (d *Devices) Remove(deviceID string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.loadLocked(); err != nil {
		return err
	}
	if d.paired[deviceID] == nil {
		return ErrUnknownDevice
	}
	return d.keepLocked(deviceID, nil)
}

// Rotate gives a device a new token for the role; the old one is worth nothing
// from now on. Scopes that are not nil replace those of token and device. Nothing changes
// when may returns an error for the scopes that the new one would have. It fails with
// ErrUnknownToken.
func (d *Devices) Rotate(deviceID, role string, scopes []string, may func(scopes []string) error) (DeviceToken, error) {
	return d.change(deviceID, role, func(dev *Device, t *DeviceToken) (*DeviceToken, error) {
		if scopes == nil {
			scopes = t.Scopes
		} else {
			dev.Scopes = normalise(scopes)
		}
		return newToken(t, role, scopes, d.nowMs()), may(scopes)
	})
}

// Revoke makes a device's token for the role worthless. It fails with ErrUnknownToken.
func (d *Devices) Revoke(deviceID, role string) (DeviceToken, error) {
	return d.change(deviceID, role, func(_ *Device, t *DeviceToken) (*DeviceToken, error) {
		revoked := *t
		revoked.RevokedAtMs = d.nowMs()
		return &revoked, nil
	})
}

// change replaces one token, and the device with it, so that what was handed out
// of either stays as it was.
func (d *Devices) change(deviceID, role string, next func(*Device, *DeviceToken) (*DeviceToken, error)) (DeviceToken, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.loadLocked(); err != nil {
		return DeviceToken{}, err
	}
	old := d.paired[deviceID]
	if old == nil || old.Tokens[role] == nil {
		return DeviceToken{}, ErrUnknownToken
	}
	dev := old.copy()
	dev.Scopes = slices.Clone(old.Scopes)
	t, err := next(&dev, old.Tokens[role])
	if err != nil {
		return DeviceToken{}, err
	}
	dev.Tokens[role] = t
	return *t, d.keepLocked(deviceID, &dev)
}
