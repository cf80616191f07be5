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

// ExecApprovalRequestParams are the parameters of exec.approval.request.
type ExecApprovalRequestParams struct {
	ID           string  `json:"id,omitempty" rule:"nonempty"` // "" for one of the gateway's making
	Command      string  `json:"command" rule:"required,nonempty"`
	Cwd          *string `json:"cwd,omitempty" rule:"nullable"`
	Host         *string `json:"host,omitempty" rule:"nullable"`
	Security     *string `json:"security,omitempty" rule:"nullable"`
	Ask          *string `json:"ask,omitempty" rule:"nullable"`
	AgentID      *string `json:"agentId,omitempty" rule:"nullable"`
	ResolvedPath *string `json:"resolvedPath,omitempty" rule:"nullable"`
	SessionKey   *string `json:"sessionKey,omitempty" rule:"nullable"`
	TimeoutMs    int64   `json:"timeoutMs,omitempty" rule:"min=1"` // 0: 120 000
	TwoPhase     bool    `json:"twoPhase,omitempty"`               // answer first that it waits, then on the same id what was decided
}

// ExecApprovalAccepted is the first of two answers to exec.approval.request.
type ExecApprovalAccepted struct {
	Status      string `json:"status"` // always accepted
	ID          string `json:"id"`
	CreatedAtMs int64  `json:"createdAtMs"`
	ExpiresAtMs int64  `json:"expiresAtMs"`
}

// ExecApprovalResult is the result of exec.approval.request and .waitDecision.
type ExecApprovalResult struct {
	ID          string  `json:"id"`
	Decision    *string `json:"decision"` // null: nobody decided in time
	CreatedAtMs int64   `json:"createdAtMs"`
	ExpiresAtMs int64   `json:"expiresAtMs"`
}

// ExecApprovalWaitParams are the parameters of exec.approval.waitDecision.
type ExecApprovalWaitParams struct {
	ID string `json:"id"`
}

// ExecApprovalResolveParams are the parameters of exec.approval.resolve.
type ExecApprovalResolveParams struct {
	ID       string `json:"id" rule:"required,nonempty"`
	Decision string `json:"decision" rule:"required,nonempty"`
}

// ExecApprovalRequestedEvent is the payload of exec.approval.requested.
type ExecApprovalRequestedEvent struct {
	ID          string       `json:"id"`
	Request     ExecApproval `json:"request"`
	CreatedAtMs int64        `json:"createdAtMs"`
	ExpiresAtMs int64        `json:"expiresAtMs"`
}

// ExecApprovalResolvedEvent is the payload of exec.approval.resolved.
type ExecApprovalResolvedEvent struct {
	ID         string `json:"id"`
	Decision   string `json:"decision"`
	ResolvedBy string `json:"resolvedBy,omitempty"`
	TS         int64  `json:"ts"`
}

// ExecApprovalsFile is the list of what a host runs, unasked or at all.
type ExecApprovalsFile struct {
	Version  int                           `json:"version" rule:"required,const=1"`
	Socket   *ExecApprovalsSocket          `json:"socket,omitempty"`
	Defaults *ExecApprovalsRules           `json:"defaults,omitempty"`
	Agents   map[string]ExecApprovalsAgent `json:"agents,omitempty"` // by agent id; "*" counts for all
}

// ExecApprovalsSocket is where the family's desktop app takes questions. This
// program keeps it and does not use it.
type ExecApprovalsSocket struct {
	Path  string `json:"path,omitempty"`
	Token string `json:"token,omitempty"` // never shown
}

// ExecApprovalsRules say when a command may run; "" leaves it to the next wider rules.
type ExecApprovalsRules struct {
	Security        string `json:"security,omitempty" rule:"enum=ExecSecurity"`
	Ask             string `json:"ask,omitempty" rule:"enum=ExecAsk"`
	AskFallback     string `json:"askFallback,omitempty" rule:"enum=ExecSecurity"`
	AutoAllowSkills *bool  `json:"autoAllowSkills,omitempty"`
}

// ExecApprovalsAgent are the rules for one agent.
type ExecApprovalsAgent struct {
	Security        string          `json:"security,omitempty" rule:"enum=ExecSecurity"`
	Ask             string          `json:"ask,omitempty" rule:"enum=ExecAsk"`
	AskFallback     string          `json:"askFallback,omitempty" rule:"enum=ExecSecurity"`
	AutoAllowSkills *bool           `json:"autoAllowSkills,omitempty"`
	Allowlist       []ExecAllowlist `json:"allowlist,omitempty"`
}

// ExecAllowlist is one program that may run unasked.
type ExecAllowlist struct {
	ID               string `json:"id,omitempty"`
	Pattern          string `json:"pattern" rule:"required,nonempty"` // of the program's path
	LastUsedAt       int64  `json:"lastUsedAt,omitempty" rule:"min=0"`
	LastUsedCommand  string `json:"lastUsedCommand,omitempty"`
	LastResolvedPath string `json:"lastResolvedPath,omitempty"`
}

// ExecApprovalsSnapshot is the result of exec.approvals.get and .set, and what a node
// answers to system.execApprovals.get and .set.
type ExecApprovalsSnapshot struct {
	Path   string            `json:"path"`
	Exists bool              `json:"exists"`
	Hash   string            `json:"hash"` // SHA-256 of the file's text
	File   ExecApprovalsFile `json:"file"`
}

// ExecApprovalsSetParams are the parameters of exec.approvals.set and system.execApprovals.set.
type ExecApprovalsSetParams struct {
	File     ExecApprovalsFile `json:"file" rule:"required"`
	BaseHash string            `json:"baseHash,omitempty" rule:"nonempty"` // of the file that the caller has changed
}

// ExecApprovalsNodeSetParams are the parameters of exec.approvals.node.set.
type ExecApprovalsNodeSetParams struct {
	NodeID   string            `json:"nodeId" rule:"required,nonempty"`
	File     ExecApprovalsFile `json:"file" rule:"required"`
	BaseHash string            `json:"baseHash,omitempty" rule:"nonempty"`
}
