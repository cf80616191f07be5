package protocol

// Challenge is the payload of connect.challenge, the first frame of a connection.
type Challenge struct {
	Nonce string `json:"nonce"`
	TS    int64  `json:"ts"` // ms since 1970
}

// ConnectParams are the parameters of connect, the first request.
type ConnectParams struct {
	MinProtocol int             `json:"minProtocol" rule:"required,min=1"`
	MaxProtocol int             `json:"maxProtocol" rule:"required,min=1"`
	Client      ClientInfo      `json:"client" rule:"required"`
	Caps        []string        `json:"caps,omitempty" rule:"nonempty"`
	Commands    []string        `json:"commands,omitempty" rule:"nonempty"`
	Permissions map[string]bool `json:"permissions,omitempty"`
	PathEnv     string          `json:"pathEnv,omitempty"`
	Role        string          `json:"role,omitempty" rule:"nonempty"`
	Scopes      []string        `json:"scopes,omitempty" rule:"nonempty"`
	Device      *Device         `json:"device,omitempty"`
	Auth        *ConnectAuth    `json:"auth,omitempty"`
	Locale      string          `json:"locale,omitempty"`
	UserAgent   string          `json:"userAgent,omitempty"`
}

// ClientInfo says what program connects.
type ClientInfo struct {
	ID              string `json:"id" rule:"required,enum=ClientIDs"`
	DisplayName     string `json:"displayName,omitempty" rule:"nonempty"`
	Version         string `json:"version" rule:"required,nonempty"`
	Platform        string `json:"platform" rule:"required,nonempty"`
	DeviceFamily    string `json:"deviceFamily,omitempty" rule:"nonempty"`
	ModelIdentifier string `json:"modelIdentifier,omitempty" rule:"nonempty"`
	Mode            string `json:"mode" rule:"required,enum=ClientModes"`
	InstanceID      string `json:"instanceId,omitempty" rule:"nonempty"`
}

// Device proves which device a client runs on.
type Device struct {
	ID        string `json:"id" rule:"required,nonempty"`
	PublicKey string `json:"publicKey" rule:"required,nonempty"`
	Signature string `json:"signature" rule:"required,nonempty"`
	SignedAt  int64  `json:"signedAt" rule:"required,min=0"`
	Nonce     string `json:"nonce,omitempty" rule:"nonempty"`
}

// ConnectAuth carries the secrets of a connect. It never appears in a log.
type ConnectAuth struct {
	Token    string `json:"token,omitempty"`
	Password string `json:"password,omitempty"`
}

// Enum is the set of values that a rule tag names; nil when there is none of that name.
// The openclaw ids belong to a sibling product that speaks the same protocol.
func Enum(name string) []string {
	switch name {
	case "ClientIDs":
		return []string{"webchat-ui", ControlUI, "webchat", "cli", "gateway-client", "coderclaw-macos", "coderclaw-ios",
			"coderclaw-android", "node-host", "test", "fingerprint", "coderclaw-probe",
			SiblingControlUI, "openclaw-macos", "openclaw-ios", "openclaw-android", "openclaw-probe"}
	case "ExecSecurity":
		return []string{"deny", "allowlist", "full"}
	case "ExecAsk":
		return []string{"off", "on-miss", "always"}
	case "WakeModes":
		return []string{WakeNow, WakeNextHeartbeat}
	case "ClientModes":
		return []string{"webchat", "cli", "ui", "backend", "node", "probe", "test"}
	}
	return nil
}

// Client ids that get rules of their own.
const (
	ControlUI        = "coderclaw-control-ui"
	SiblingControlUI = "openclaw-control-ui"
	WebchatUI        = "webchat-ui"
)

// IsControlUI tells whether the client is the Control UI, ours or the sibling's.
func (c ClientInfo) IsControlUI() bool { return c.ID == ControlUI || c.ID == SiblingControlUI }

// IsWebchat tells whether the client is a chat page in a browser.
func (c ClientInfo) IsWebchat() bool { return c.Mode == "webchat" || c.ID == WebchatUI }

// Roles.
const (
	RoleOperator = "operator"
	RoleNode     = "node"
)

// Hello is the payload of the answer to connect.
type Hello struct {
	Type     string     `json:"type"`
	Protocol int        `json:"protocol"`
	Server   Server     `json:"server"`
	Features Features   `json:"features"`
	Snapshot Snapshot   `json:"snapshot"`
	Auth     *HelloAuth `json:"auth,omitempty"`
	Policy   Policy     `json:"policy"`
}

// Server identifies the gateway and the connection.
type Server struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Host    string `json:"host,omitempty"`
	ConnID  string `json:"connId"`
}

// Features lists what works, nothing else.
type Features struct {
	Methods []string `json:"methods"`
	Events  []string `json:"events"`
}

// Snapshot is the state that the events go on from.
type Snapshot struct {
	Presence        []PresenceEntry  `json:"presence"`
	Health          any              `json:"health"` // *HealthSummary, or {} before there is one
	StateVersion    StateVersion     `json:"stateVersion"`
	UptimeMs        int64            `json:"uptimeMs"`
	ConfigPath      string           `json:"configPath,omitempty"`
	StateDir        string           `json:"stateDir,omitempty"`
	SessionDefaults *SessionDefaults `json:"sessionDefaults,omitempty"`
	AuthMode        string           `json:"authMode,omitempty"`
}

// SessionDefaults names the session that a client without one talks to.
type SessionDefaults struct {
	DefaultAgentID string `json:"defaultAgentId"`
	MainKey        string `json:"mainKey"`
	MainSessionKey string `json:"mainSessionKey"`
	Scope          string `json:"scope,omitempty"`
}

// HelloAuth hands a device its token.
type HelloAuth struct {
	DeviceToken string   `json:"deviceToken"`
	Role        string   `json:"role"`
	Scopes      []string `json:"scopes"`
	IssuedAtMs  int64    `json:"issuedAtMs,omitempty"`
}

// Policy is what the client must keep to.
type Policy struct {
	MaxPayload       int `json:"maxPayload"`
	MaxBufferedBytes int `json:"maxBufferedBytes"`
	TickIntervalMs   int `json:"tickIntervalMs"`
}
