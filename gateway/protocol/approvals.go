package protocol

// Decisions on a command.
const (
	AllowOnce   = "allow-once"
	AllowAlways = "allow-always"
	Deny        = "deny"
)

// ExecApproval is a command that somebody has to decide on; what was not given is null.
type ExecApproval struct {
	Command      string  `json:"command"`
	Cwd          *string `json:"cwd"`
	Host         *string `json:"host"`
	Security     *string `json:"security"`
	Ask          *string `json:"ask"`
	AgentID      *string `json:"agentId"`
	ResolvedPath *string `json:"resolvedPath"`
	SessionKey   *string `json:"sessionKey"`
}
