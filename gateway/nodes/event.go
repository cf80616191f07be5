package nodes

import (
	"context"
	"encoding/json"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// ran is what a node tells of a command that it began, ended or refused.
type ran struct {
	SessionKey string `json:"sessionKey"`
	RunID      string `json:"runId"`
	Host       string `json:"host"`
	Command    string `json:"command"`
	ExitCode   *int   `json:"exitCode"`
	TimedOut   bool   `json:"timedOut"`
	Reason     string `json:"reason"`
}

// event takes what a node tells unasked. Commands that it ran are logged; anything
// else is thanked for and ignored, so that newer nodes can tell more than we know.
func (f *Feature) event(_ context.Context, s *rpc.Session, p protocol.NodeEventParams) (protocol.OK, error) {
	switch p.Event {
	case "exec.started", "exec.finished", "exec.denied":
		raw := p.Payload
		if p.PayloadJSON != "" {
			raw = json.RawMessage(p.PayloadJSON)
		}
		var r ran
		if json.Unmarshal(raw, &r) == nil {
			code := -1
			if r.ExitCode != nil {
				code = *r.ExitCode
			}
			f.log.Info("node "+p.Event, "conn", s.ID, "device", s.DeviceID, "run", short(r.RunID), "session", short(r.SessionKey), "command", short(r.Command),
				"exit", code, "timedOut", r.TimedOut, "reason", short(r.Reason))
		}
	}
	return protocol.OK{OK: true}, nil
}

// short keeps what anybody may have written from filling the log.
func short(text string) string {
	const most = 200
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
