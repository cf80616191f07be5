package auth

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/jsonfile"
)

// PendingTTL is how long a pairing request waits for an answer.
const PendingTTL = 5 * time.Minute

// Overdue tells whether a request made at ts, in ms since 1970, waits no longer. One from
// farther in the future does not either: the clock was wrong, and the request would wait
// until it is right.
func Overdue(now time.Time, ts int64) bool { return now.Sub(time.UnixMilli(ts)).Abs() > PendingTTL }

// MaxPending bounds the pairing requests that wait at once: whoever knows the secret can
// make any number of devices.
const MaxPending = 200

// ErrManyPending is for a request more than MaxPending.
var ErrManyPending = fmt.Errorf("%d pairing requests wait already; approve or reject some", MaxPending)

// Device is one paired device, as devices/paired.json holds it.
type Device struct {
	DeviceID     string                  `json:"deviceId"`
	PublicKey    string                  `json:"publicKey"`
	DisplayName  string                  `json:"displayName,omitempty"`
	Platform     string                  `json:"platform,omitempty"`
	ClientID     string                  `json:"clientId,omitempty"`
	ClientMode   string                  `json:"clientMode,omitempty"`
	Role         string                  `json:"role,omitempty"`
	Roles        []string                `json:"roles,omitempty"`
	Scopes       []string                `json:"scopes,omitempty"`
	RemoteIP     string                  `json:"remoteIp,omitempty"`
	Tokens       map[string]*DeviceToken `json:"tokens,omitempty"` // by role
	CreatedAtMs  int64                   `json:"createdAtMs"`
	ApprovedAtMs int64                   `json:"approvedAtMs"`
}

// DeviceToken lets a device in without the shared secret, in one role.
type DeviceToken struct {
	Token        string   `json:"token"`
	Role         string   `json:"role"`
	Scopes       []string `json:"scopes"`
	CreatedAtMs  int64    `json:"createdAtMs"`
	RotatedAtMs  int64    `json:"rotatedAtMs,omitempty"`
	RevokedAtMs  int64    `json:"revokedAtMs,omitempty"`
	LastUsedAtMs int64    `json:"lastUsedAtMs,omitempty"`
}

// IssuedAtMs is when the token got its value.
func (t *DeviceToken) IssuedAtMs() int64 { return cmp.Or(t.RotatedAtMs, t.CreatedAtMs) }

// Pending is one pairing request, as devices/pending.json holds it.
type Pending = protocol.PairRequest

// Connect is what a device that connects says of itself. Role is never "".
type Connect struct {
	DeviceID, PublicKey   string
	DisplayName, Platform string
	ClientID, ClientMode  string
	Role                  string
	Scopes                []string
	RemoteIP              string
	Silent                bool // it is local: pairing needs no approval
}

// Devices is the store of paired devices and pairing requests of one gateway.
// Its files are read at the first use and written at each change. It is safe
// for concurrent use.
type Devices struct {
	dir string
	now func() time.Time

	mu      sync.Mutex // guards what follows
	loaded  bool
	paired  map[string]*Device
	pending map[string]*Pending
}

const (
	pairedFile  = "paired.json"
	pendingFile = "pending.json"
)

// NewDevices returns the store below the state dir. It reads nothing yet.
func NewDevices(stateDir string, now func() time.Time) *Devices {
	return &Devices{dir: filepath.Join(stateDir, "devices"), now: now}
}

func (d *Devices) nowMs() int64 { return d.now().UnixMilli() }

// loadLocked reads the files once. A file that cannot be read is an error at
// each use and is never written over. d.mu must be held.
func (d *Devices) loadLocked() error {
	if d.loaded {
		return nil
	}
	paired, err := jsonfile.ReadMap(filepath.Join(d.dir, pairedFile), soundDevice)
	if err != nil {
		return err
	}
	pending, err := jsonfile.ReadMap(filepath.Join(d.dir, pendingFile), func(_ string, p *Pending) bool { return p != nil })
	if err != nil {
		return err
	}
	d.paired, d.pending, d.loaded = paired, pending, true
	d.forgetLocked()
	return nil
}

// soundDevice tells whether a record is that of its id, and its tokens those of their roles.
func soundDevice(id string, dev *Device) bool {
	if dev == nil || dev.DeviceID != id {
		return false
	}
	for role, t := range dev.Tokens {
		if t == nil || t.Role != role {
			return false
		}
	}
	return true
}

// keepLocked makes dev the record of its id, nil for none, once that is on disk: a change
// that failed has not happened. d.mu must be held.
func (d *Devices) keepLocked(deviceID string, dev *Device) error {
	next := maps.Clone(d.paired)
	if next[deviceID] = dev; dev == nil {
		delete(next, deviceID)
	}
	if err := jsonfile.Write(filepath.Join(d.dir, pairedFile), next); err != nil {
		return err
	}
	d.paired = next
	return nil
}

// waitLocked makes p the request of its id, nil for none, once that is on disk. d.mu
// must be held.
func (d *Devices) waitLocked(requestID string, p *Pending) error {
	next := maps.Clone(d.pending)
	if next[requestID] = p; p == nil {
		delete(next, requestID)
	}
	if err := jsonfile.Write(filepath.Join(d.dir, pendingFile), next); err != nil {
		return err
	}
	d.pending = next
	return nil
}

// Outcome is what pairing came to.
type Outcome struct {
	Paired    bool
	RequestID string // of the request that was made or found, "" if none was needed
	Created   bool   // the request is new
	Silent    bool   // it was approved at once
	Request   *Pending
	Unsaved   error // the device is let in, and what is new in its description is on no disk
}

// Pair lets a device in, or makes a request that somebody has to approve. A
// silent request is approved at once, unless an older one waits. It fails with
// ErrManyPending.
func (d *Devices) Pair(c Connect) (Outcome, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.loadLocked(); err != nil {
		return Outcome{}, err
	}
	dev := d.paired[c.DeviceID]
	if dev != nil && dev.PublicKey != c.PublicKey {
		dev = nil
	}
	if dev != nil && covers(dev, c) {
		return Outcome{Paired: true, Unsaved: d.refreshLocked(dev, c)}, nil
	}
	d.forgetLocked()
	for id, p := range d.pending {
		if p.DeviceID == c.DeviceID && !(p.Silent && c.Silent) {
			return Outcome{RequestID: id, Request: p}, nil
		}
	}
	p := &Pending{RequestID: uuid.NewString(), DeviceID: c.DeviceID, PublicKey: c.PublicKey, DisplayName: c.DisplayName,
		Platform: c.Platform, ClientID: c.ClientID, ClientMode: c.ClientMode, Role: c.Role, Roles: []string{c.Role},
		Scopes: c.Scopes, RemoteIP: c.RemoteIP, Silent: c.Silent, IsRepair: d.paired[c.DeviceID] != nil, TS: d.nowMs()}
	if c.Silent {
		return Outcome{Paired: true, RequestID: p.RequestID, Created: true, Silent: true}, d.approveLocked(p)
	}
	if len(d.pending) >= MaxPending {
		return Outcome{}, ErrManyPending
	}
	return Outcome{RequestID: p.RequestID, Created: true, Request: p}, d.waitLocked(p.RequestID, p)
}

// covers tells whether the record allows what is asked for. Scopes are compared
// literally: none includes another here.
func covers(dev *Device, c Connect) bool {
	roles := dev.Roles
	if len(roles) == 0 && dev.Role != "" {
		roles = []string{dev.Role}
	}
	return slices.Contains(roles, c.Role) && subset(c.Scopes, dev.Scopes)
}

func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// refreshLocked brings the description of a paired device up to date, writing
// only when it changed. d.mu must be held.
func (d *Devices) refreshLocked(dev *Device, c Connect) error {
	next := *dev
	next.describe(c)
	if next.DisplayName == dev.DisplayName && next.Platform == dev.Platform && next.ClientID == dev.ClientID &&
		next.ClientMode == dev.ClientMode && next.Role == dev.Role && next.RemoteIP == dev.RemoteIP {
		return nil
	}
	return d.keepLocked(dev.DeviceID, &next)
}

func (dev *Device) describe(c Connect) {
	dev.DisplayName, dev.Platform, dev.ClientID, dev.ClientMode, dev.Role, dev.RemoteIP =
		c.DisplayName, c.Platform, c.ClientID, c.ClientMode, c.Role, c.RemoteIP
}

// approveLocked makes or widens the record of the request's device and gives it
// a new token in the request's role. d.mu must be held.
func (d *Devices) approveLocked(p *Pending) error {
	now := d.nowMs()
	dev := &Device{DeviceID: p.DeviceID, PublicKey: p.PublicKey, CreatedAtMs: now, Tokens: map[string]*DeviceToken{}}
	if old := d.paired[p.DeviceID]; old != nil && old.PublicKey == p.PublicKey {
		*dev = old.copy()
	}
	dev.describe(Connect{DisplayName: p.DisplayName, Platform: p.Platform, ClientID: p.ClientID, ClientMode: p.ClientMode, Role: p.Role, RemoteIP: p.RemoteIP})
	dev.Roles = union(dev.Roles, p.Roles)
	dev.Scopes = union(dev.Scopes, p.Scopes)
	dev.ApprovedAtMs = now
	dev.Tokens[p.Role] = newToken(dev.Tokens[p.Role], p.Role, p.Scopes, now)
	return d.keepLocked(p.DeviceID, dev)
}

func newToken(old *DeviceToken, role string, scopes []string, now int64) *DeviceToken {
	t := &DeviceToken{Token: RandomToken(), Role: role, Scopes: normalise(scopes), CreatedAtMs: now}
	if old != nil {
		t.CreatedAtMs, t.RotatedAtMs = old.CreatedAtMs, now
	}
	return t
}

func normalise(scopes []string) []string {
	out := []string{}
	for _, s := range scopes {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// VerifyToken tells whether token lets the device in, in that role and with
// those scopes.
func (d *Devices) VerifyToken(deviceID, role, token string, scopes []string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.loadLocked(); err != nil {
		return false, err
	}
	var t *DeviceToken
	if dev := d.paired[deviceID]; dev != nil {
		t = dev.Tokens[role]
	}
	want := ""
	if t != nil {
		want = t.Token
	}
	if !Equal(want, token) || t == nil || t.RevokedAtMs != 0 || !subset(scopes, t.Scopes) {
		return false, nil
	}
	used := *t
	used.LastUsedAtMs = d.nowMs()
	d.paired[deviceID].Tokens[role] = &used // on disk with the next change; a crash may forget it
	return true, nil
}

// EnsureToken returns the device's token for the role, a new one when there is
// none that covers the scopes. It returns nil for a device that is not paired.
func (d *Devices) EnsureToken(deviceID, role string, scopes []string) (*DeviceToken, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.loadLocked(); err != nil {
		return nil, err
	}
	dev := d.paired[deviceID]
	if dev == nil {
		return nil, nil
	}
	if t := dev.Tokens[role]; t != nil && t.RevokedAtMs == 0 && subset(scopes, t.Scopes) {
		return t, nil
	}
	t := newToken(dev.Tokens[role], role, scopes, d.nowMs())
	next := dev.copy()
	next.Tokens[role] = t
	return t, d.keepLocked(deviceID, &next)
}
