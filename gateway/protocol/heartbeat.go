package protocol

// HeartbeatEvent is what came of a heartbeat: the payload of the event heartbeat, and
// the result of last-heartbeat, which is null before the first.
type HeartbeatEvent struct {
	TS            int64  `json:"ts"`
	Status        string `json:"status"` // a Heartbeat… constant
	To            string `json:"to,omitempty"`
	AccountID     string `json:"accountId,omitempty"`
	Preview       string `json:"preview,omitempty"` // of what was said, 200 characters at most
	DurationMs    int64  `json:"durationMs,omitempty"`
	HasMedia      bool   `json:"hasMedia,omitempty"`
	Reason        string `json:"reason,omitempty"` // why it was skipped or failed
	Channel       string `json:"channel,omitempty"`
	Silent        bool   `json:"silent,omitempty"`
	IndicatorType string `json:"indicatorType,omitempty"` // ok, alert or error
}

// What may come of a heartbeat.
const (
	HeartbeatSent    = "sent"
	HeartbeatOKEmpty = "ok-empty"
	HeartbeatOKToken = "ok-token"
	HeartbeatSkipped = "skipped"
	HeartbeatFailed  = "failed"
)

// SetHeartbeatsParams are the parameters of set-heartbeats. Unknown ones are ignored.
type SetHeartbeatsParams struct {
	Enabled *bool `json:"enabled"`
}

// SetHeartbeatsResult is the result of set-heartbeats.
type SetHeartbeatsResult struct {
	OK      bool `json:"ok"`
	Enabled bool `json:"enabled"`
}

// WakeParams are the parameters of wake.
type WakeParams struct {
	Mode string `json:"mode" rule:"required,enum=WakeModes"`
	Text string `json:"text" rule:"required,nonempty"`
}

// When a wake wakes the agent.
const (
	WakeNow           = "now"
	WakeNextHeartbeat = "next-heartbeat"
)

// SystemEventParams are the parameters of system-event: a line of text, and who or
// what it is about. Unknown ones are ignored, as are those of another type.
type SystemEventParams struct {
	Text             string   `json:"text"`
	DeviceID         string   `json:"deviceId,omitempty"`
	InstanceID       string   `json:"instanceId,omitempty"`
	Host             string   `json:"host,omitempty"`
	IP               string   `json:"ip,omitempty"`
	Mode             string   `json:"mode,omitempty"`
	Version          string   `json:"version,omitempty"`
	Platform         string   `json:"platform,omitempty"`
	DeviceFamily     string   `json:"deviceFamily,omitempty"`
	ModelIdentifier  string   `json:"modelIdentifier,omitempty"`
	LastInputSeconds *float64 `json:"lastInputSeconds,omitempty"`
	Reason           string   `json:"reason,omitempty"`
	Roles            []string `json:"roles,omitempty"`
	Scopes           []string `json:"scopes,omitempty"`
	Tags             []string `json:"tags,omitempty"`
}
