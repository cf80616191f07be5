package protocol

// PairRequest is the wish of a device to be let in, or for more than it was
// given. It is also the payload of device.pair.requested.
type PairRequest struct {
	RequestID   string   `json:"requestId"`
	DeviceID    string   `json:"deviceId"`
	PublicKey   string   `json:"publicKey"`
	DisplayName string   `json:"displayName,omitempty"`
	Platform    string   `json:"platform,omitempty"`
	ClientID    string   `json:"clientId,omitempty"`
	ClientMode  string   `json:"clientMode,omitempty"`
	Role        string   `json:"role,omitempty"`
	Roles       []string `json:"roles,omitempty"`
	Scopes      []string `json:"scopes,omitempty"`
	RemoteIP    string   `json:"remoteIp,omitempty"`
	Silent      bool     `json:"silent,omitempty"`
	IsRepair    bool     `json:"isRepair,omitempty"` // the device is paired already
	TS          int64    `json:"ts"`
}

// PairedDevice is a paired device without its secrets.
type PairedDevice struct {
	DeviceID     string        `json:"deviceId"`
	PublicKey    string        `json:"publicKey"`
	DisplayName  string        `json:"displayName,omitempty"`
	Platform     string        `json:"platform,omitempty"`
	ClientID     string        `json:"clientId,omitempty"`
	ClientMode   string        `json:"clientMode,omitempty"`
	Role         string        `json:"role,omitempty"`
	Roles        []string      `json:"roles,omitempty"`
	Scopes       []string      `json:"scopes,omitempty"`
	RemoteIP     string        `json:"remoteIp,omitempty"`
	Tokens       []TokenRecord `json:"tokens,omitempty"` // by role
	CreatedAtMs  int64         `json:"createdAtMs"`
	ApprovedAtMs int64         `json:"approvedAtMs"`
}

// TokenRecord is what may be told of a device token.
type TokenRecord struct {
	Role         string   `json:"role"`
	Scopes       []string `json:"scopes"`
	CreatedAtMs  int64    `json:"createdAtMs"`
	RotatedAtMs  int64    `json:"rotatedAtMs,omitempty"`
	RevokedAtMs  int64    `json:"revokedAtMs,omitempty"`
	LastUsedAtMs int64    `json:"lastUsedAtMs,omitempty"`
}

// DevicePairListResult is the result of device.pair.list, the newest first.
type DevicePairListResult struct {
	Pending []PairRequest  `json:"pending"`
	Paired  []PairedDevice `json:"paired"`
}

// PairRequestParams names one pairing request.
type PairRequestParams struct {
	RequestID string `json:"requestId" rule:"required,nonempty"`
}

// DevicePairApproveResult is the result of device.pair.approve.
type DevicePairApproveResult struct {
	RequestID string       `json:"requestId"`
	Device    PairedDevice `json:"device"`
}

// DevicePairRejectResult is the result of device.pair.reject.
type DevicePairRejectResult struct {
	RequestID string `json:"requestId"`
	DeviceID  string `json:"deviceId"`
}

// DeviceParams names one device. It is also the result of device.pair.remove.
type DeviceParams struct {
	DeviceID string `json:"deviceId" rule:"required,nonempty"`
}

// DeviceTokenRotateParams are the parameters of device.token.rotate. Scopes that
// are given replace those of the device.
type DeviceTokenRotateParams struct {
	DeviceID string   `json:"deviceId" rule:"required,nonempty"`
	Role     string   `json:"role" rule:"required,nonempty"`
	Scopes   []string `json:"scopes,omitempty" rule:"nonempty"`
}

// DeviceTokenRotateResult holds the new token, which is shown here only.
type DeviceTokenRotateResult struct {
	DeviceID    string   `json:"deviceId"`
	Role        string   `json:"role"`
	Token       string   `json:"token"`
	Scopes      []string `json:"scopes"`
	RotatedAtMs int64    `json:"rotatedAtMs"`
}

// DeviceTokenRevokeParams are the parameters of device.token.revoke.
type DeviceTokenRevokeParams struct {
	DeviceID string `json:"deviceId" rule:"required,nonempty"`
	Role     string `json:"role" rule:"required,nonempty"`
}

// DeviceTokenRevokeResult is the result of device.token.revoke.
type DeviceTokenRevokeResult struct {
	DeviceID    string `json:"deviceId"`
	Role        string `json:"role"`
	RevokedAtMs int64  `json:"revokedAtMs"`
}

// The decisions on a pairing request.
const (
	Approved = "approved"
	Rejected = "rejected"
)
