package protocol

// HealthParams are the parameters of health. Unknown ones are ignored.
type HealthParams struct {
	Probe bool `json:"probe,omitempty"`
}

// HealthSummary is the result of health and the payload of the health event.
type HealthSummary struct {
	OK               bool                     `json:"ok"`
	TS               int64                    `json:"ts"`
	DurationMs       int64                    `json:"durationMs"`
	Channels         map[string]ChannelHealth `json:"channels"`
	ChannelOrder     []string                 `json:"channelOrder"`
	ChannelLabels    map[string]string        `json:"channelLabels"`
	HeartbeatSeconds int64                    `json:"heartbeatSeconds"`
	DefaultAgentID   string                   `json:"defaultAgentId"`
	Agents           []AgentHealth            `json:"agents"`
	Sessions         SessionsHealth           `json:"sessions"`
	Coderclaw        *Identity                `json:"coderclaw,omitempty"`
}

// Identity says which gateway answers, so that no client takes one for another.
type Identity struct {
	Profile  string `json:"profile"`
	Instance string `json:"instance"` // random id of this start
	PID      int    `json:"pid"`
	Build    string `json:"build"`
	Degraded string `json:"degraded,omitempty"` // why it runs on its last good config, "" if it does not

	Isolation *Isolation `json:"isolation,omitempty"` // of a gateway under a supervisor

	Tailscale *Tailscale `json:"tailscale,omitempty"` // of a gateway that is to be published

	Siblings // of a rescue gateway under a supervisor
}

// Tailscale says what became of publishing the gateway.
type Tailscale struct {
	Mode   string `json:"mode"`             // serve or funnel
	State  string `json:"state"`            // one of the Tailscale… constants
	URL    string `json:"url,omitempty"`    // where it is found
	Detail string `json:"detail,omitempty"` // why it is not
}

// StatusOwn is what only this family's own status says.
type StatusOwn struct {
	Tailscale *Tailscale `json:"tailscale,omitempty"` // of a gateway that is to be published

	Siblings // of a rescue gateway under a supervisor
}

// States of publishing.
const (
	TailscaleWaiting   = "publishing"
	TailscalePublished = "published"
	TailscaleFailed    = "failed" // it is tried again
)

// Isolation says what the kernel keeps the gateway and its tools from.
type Isolation struct {
	Mode     string   `json:"mode"`     // standard, strict or off
	Landlock int      `json:"landlock"` // version of the kernel's interface whose rules are in force; 0: none
	Applied  []string `json:"applied"`
	Missing  []string `json:"missing"` // what this system cannot do, or what is not as the profile says
}

// ChannelHealth is the state of one channel.
type ChannelHealth struct {
	AccountID  string `json:"accountId"`
	Configured bool   `json:"configured"`
	Linked     bool   `json:"linked,omitempty"`
}

// AgentHealth is the state of one agent.
type AgentHealth struct {
	AgentID   string         `json:"agentId"`
	IsDefault bool           `json:"isDefault"`
	Heartbeat AgentHeartbeat `json:"heartbeat"`
	Sessions  SessionsHealth `json:"sessions"`
}

// AgentHeartbeat says how often an agent wakes by itself.
type AgentHeartbeat struct {
	Enabled     bool   `json:"enabled"`
	Every       string `json:"every"`
	EveryMs     *int64 `json:"everyMs"` // null when it never does
	Prompt      string `json:"prompt"`
	Target      string `json:"target"`
	AckMaxChars int    `json:"ackMaxChars"`
}

// SessionsHealth counts the sessions of a store.
type SessionsHealth struct {
	Path   string         `json:"path"`
	Count  int            `json:"count"`
	Recent []SessionBrief `json:"recent"`
}

// SessionBrief is one recent session.
type SessionBrief struct {
	Key       string `json:"key"`
	UpdatedAt *int64 `json:"updatedAt"`
	Age       *int64 `json:"age"`
}

// StatusSummary is the result of status.
type StatusSummary struct {
	Heartbeat          StatusHeartbeat `json:"heartbeat"`
	ChannelSummary     []string        `json:"channelSummary"`
	QueuedSystemEvents []string        `json:"queuedSystemEvents"`
	Sessions           StatusSessions  `json:"sessions"`
	Coderclaw          *StatusOwn      `json:"coderclaw,omitempty"` // when there is something to say in it
}

// StatusHeartbeat lists the heartbeats of all agents.
type StatusHeartbeat struct {
	DefaultAgentID string                 `json:"defaultAgentId"`
	Agents         []StatusAgentHeartbeat `json:"agents"`
}

// StatusAgentHeartbeat is the heartbeat of one agent.
type StatusAgentHeartbeat struct {
	AgentID string `json:"agentId"`
	Enabled bool   `json:"enabled"`
	Every   string `json:"every"`
	EveryMs *int64 `json:"everyMs"`
}

// StatusSessions counts sessions, all together and by agent.
type StatusSessions struct {
	Paths    []string        `json:"paths"`
	Count    int             `json:"count"`
	Defaults StatusDefaults  `json:"defaults"`
	Recent   []SessionBrief  `json:"recent"`
	ByAgent  []StatusByAgent `json:"byAgent"`
}

// StatusDefaults is the model that a session without one uses.
type StatusDefaults struct {
	Model         *string `json:"model"`
	ContextTokens *int64  `json:"contextTokens"`
}

// StatusByAgent counts the sessions of one agent.
type StatusByAgent struct {
	AgentID string         `json:"agentId"`
	Path    string         `json:"path"`
	Count   int            `json:"count"`
	Recent  []SessionBrief `json:"recent"`
}

// PresenceEntry is one program that is, or was until lately, around.
type PresenceEntry struct {
	Host             string   `json:"host,omitempty"`
	IP               string   `json:"ip,omitempty"`
	Version          string   `json:"version,omitempty"`
	Platform         string   `json:"platform,omitempty"`
	DeviceFamily     string   `json:"deviceFamily,omitempty"`
	ModelIdentifier  string   `json:"modelIdentifier,omitempty"`
	Mode             string   `json:"mode,omitempty"`
	LastInputSeconds *int64   `json:"lastInputSeconds,omitempty"` // since somebody used the machine
	Reason           string   `json:"reason,omitempty"`
	Tags             []string `json:"tags,omitempty"`
	DeviceID         string   `json:"deviceId,omitempty"`
	Roles            []string `json:"roles,omitempty"`
	Scopes           []string `json:"scopes,omitempty"`
	InstanceID       string   `json:"instanceId,omitempty"`
	Text             string   `json:"text"`
	TS               int64    `json:"ts"`
}

// PresenceEvent is the payload of the presence event.
type PresenceEvent struct {
	Presence []PresenceEntry `json:"presence"`
}

// TickEvent is the payload of tick.
type TickEvent struct {
	TS int64 `json:"ts"`
}

// ShutdownEvent is the payload of shutdown.
type ShutdownEvent struct {
	Reason            string `json:"reason"`
	RestartExpectedMs *int64 `json:"restartExpectedMs"` // null: it will not come back by itself
}

// PairResolvedEvent is the payload of device.pair.resolved.
type PairResolvedEvent struct {
	RequestID string `json:"requestId"`
	DeviceID  string `json:"deviceId"`
	Decision  string `json:"decision"` // approved or rejected
	TS        int64  `json:"ts"`
}

// LogsTailParams are the parameters of logs.tail. Zero values mean the defaults.
type LogsTailParams struct {
	Cursor   *int64 `json:"cursor,omitempty" rule:"min=0"`
	Limit    int    `json:"limit,omitempty" rule:"min=1,max=5000"`
	MaxBytes int    `json:"maxBytes,omitempty" rule:"min=1,max=1000000"`
}

// LogsTailResult is the result of logs.tail.
type LogsTailResult struct {
	File      string   `json:"file"`
	Cursor    int64    `json:"cursor"`
	Size      int64    `json:"size"`
	Lines     []string `json:"lines"`
	Truncated bool     `json:"truncated"`
	Reset     bool     `json:"reset"`
}

// ChannelsStatusParams are the parameters of channels.status.
type ChannelsStatusParams struct {
	Probe     bool `json:"probe,omitempty"`
	TimeoutMs int  `json:"timeoutMs,omitempty" rule:"min=0"`
}

// ChannelsStatusResult is the result of channels.status.
type ChannelsStatusResult struct {
	TS                      int64                        `json:"ts"`
	ChannelOrder            []string                     `json:"channelOrder"`
	ChannelLabels           map[string]string            `json:"channelLabels"`
	ChannelDetailLabels     map[string]string            `json:"channelDetailLabels"`
	ChannelSystemImages     map[string]string            `json:"channelSystemImages"`
	ChannelMeta             []ChannelMeta                `json:"channelMeta"`
	Channels                map[string]ChannelSummary    `json:"channels"`
	ChannelAccounts         map[string][]AccountSnapshot `json:"channelAccounts"`
	ChannelDefaultAccountID map[string]string            `json:"channelDefaultAccountId"`
}

// ChannelMeta is how a channel is shown.
type ChannelMeta struct {
	ID          string `json:"id"`
	Label       string `json:"label"`
	DetailLabel string `json:"detailLabel"`
}

// ChannelSummary is the state of one channel.
type ChannelSummary struct {
	Configured bool `json:"configured"`
	Running    bool `json:"running"`
}

// AccountSnapshot is the state of one account of a channel.
type AccountSnapshot struct {
	AccountID   string `json:"accountId"`
	Enabled     bool   `json:"enabled,omitempty"`
	Configured  bool   `json:"configured,omitempty"`
	Linked      bool   `json:"linked,omitempty"`
	Running     bool   `json:"running,omitempty"`
	Connected   bool   `json:"connected,omitempty"`
	LastError   string `json:"lastError,omitempty"`
	LastProbeAt int64  `json:"lastProbeAt,omitempty"`
}

// ConfigSnapshot is the result of config.get. Secrets are replaced.
type ConfigSnapshot struct {
	Path         string        `json:"path"`
	Exists       bool          `json:"exists"`
	Raw          *string       `json:"raw"`
	Parsed       any           `json:"parsed"`
	Resolved     any           `json:"resolved"`
	Valid        bool          `json:"valid"`
	Config       any           `json:"config"`
	Hash         string        `json:"hash"`
	Issues       []ConfigIssue `json:"issues"`
	Warnings     []ConfigIssue `json:"warnings"`
	LegacyIssues []ConfigIssue `json:"legacyIssues"`
}

// ConfigIssue is one thing that is wrong with a config.
type ConfigIssue struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Empty are the parameters of a method that takes none and refuses any.
type Empty struct{}
