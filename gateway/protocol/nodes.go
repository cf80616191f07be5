package protocol

import "encoding/json"

// NodeListResult is the result of node.list: connected nodes first, then by name.
type NodeListResult struct {
	TS    int64  `json:"ts"`
	Nodes []Node `json:"nodes"`
}

// Node is a device that lends the gateway what it can do.
type Node struct {
	NodeID          string          `json:"nodeId"`
	DisplayName     string          `json:"displayName,omitempty"`
	Platform        string          `json:"platform,omitempty"`
	Version         string          `json:"version,omitempty"`
	CoreVersion     string          `json:"coreVersion,omitempty"`
	UIVersion       string          `json:"uiVersion,omitempty"`
	DeviceFamily    string          `json:"deviceFamily,omitempty"`
	ModelIdentifier string          `json:"modelIdentifier,omitempty"`
	RemoteIP        string          `json:"remoteIp,omitempty"`
	Caps            []string        `json:"caps"`
	Commands        []string        `json:"commands"` // that it declared and may carry out
	PathEnv         string          `json:"pathEnv,omitempty"`
	Permissions     map[string]bool `json:"permissions,omitempty"`
	ConnectedAtMs   int64           `json:"connectedAtMs,omitempty"`
	Paired          bool            `json:"paired"` // as a device, in the role node
	Connected       bool            `json:"connected"`
}

// NodeParams names one node.
type NodeParams struct {
	NodeID string `json:"nodeId" rule:"required,nonempty"`
}

// NodeDescribeResult is the result of node.describe.
type NodeDescribeResult struct {
	TS int64 `json:"ts"`
	Node
}

// NodeRenameParams are the parameters of node.rename, and its result.
type NodeRenameParams struct {
	NodeID      string `json:"nodeId" rule:"required,nonempty"`
	DisplayName string `json:"displayName" rule:"required,nonempty"`
}

// NodePairRequestParams are the parameters of node.pair.request.
type NodePairRequestParams struct {
	NodeID          string   `json:"nodeId" rule:"required,nonempty"`
	DisplayName     string   `json:"displayName,omitempty" rule:"nonempty"`
	Platform        string   `json:"platform,omitempty" rule:"nonempty"`
	Version         string   `json:"version,omitempty" rule:"nonempty"`
	CoreVersion     string   `json:"coreVersion,omitempty" rule:"nonempty"`
	UIVersion       string   `json:"uiVersion,omitempty" rule:"nonempty"`
	DeviceFamily    string   `json:"deviceFamily,omitempty" rule:"nonempty"`
	ModelIdentifier string   `json:"modelIdentifier,omitempty" rule:"nonempty"`
	Caps            []string `json:"caps,omitempty" rule:"nonempty"`
	Commands        []string `json:"commands,omitempty" rule:"nonempty"`
	RemoteIP        string   `json:"remoteIp,omitempty" rule:"nonempty"`
	Silent          bool     `json:"silent,omitempty"`
}

// NodePairRequest is a request that waits, and the payload of node.pair.requested.
type NodePairRequest struct {
	RequestID string `json:"requestId"`
	NodePairRequestParams
	IsRepair bool  `json:"isRepair,omitempty"` // the node is paired already
	TS       int64 `json:"ts"`
}

// NodePairRequestResult is the result of node.pair.request.
type NodePairRequestResult struct {
	Status  string          `json:"status"` // always pending
	Request NodePairRequest `json:"request"`
	Created bool            `json:"created"` // false: it waited already
}

// PairedNode is a node that was let in by node.pair.approve, with its token.
type PairedNode struct {
	NodeID            string   `json:"nodeId"`
	Token             string   `json:"token"`
	DisplayName       string   `json:"displayName,omitempty"`
	Platform          string   `json:"platform,omitempty"`
	Version           string   `json:"version,omitempty"`
	CoreVersion       string   `json:"coreVersion,omitempty"`
	UIVersion         string   `json:"uiVersion,omitempty"`
	DeviceFamily      string   `json:"deviceFamily,omitempty"`
	ModelIdentifier   string   `json:"modelIdentifier,omitempty"`
	Caps              []string `json:"caps,omitempty"`
	Commands          []string `json:"commands,omitempty"`
	RemoteIP          string   `json:"remoteIp,omitempty"`
	Bins              []string `json:"bins,omitempty"`
	CreatedAtMs       int64    `json:"createdAtMs"`
	ApprovedAtMs      int64    `json:"approvedAtMs"`
	LastConnectedAtMs int64    `json:"lastConnectedAtMs,omitempty"`
}

// NodePairListResult is the result of node.pair.list, the newest first.
type NodePairListResult struct {
	Pending []NodePairRequest `json:"pending"`
	Paired  []PairedNode      `json:"paired"`
}

// NodePairApproveResult is the result of node.pair.approve.
type NodePairApproveResult struct {
	RequestID string     `json:"requestId"`
	Node      PairedNode `json:"node"`
}

// NodePairRejectResult is the result of node.pair.reject.
type NodePairRejectResult struct {
	RequestID string `json:"requestId"`
	NodeID    string `json:"nodeId"`
}

// NodePairVerifyParams are the parameters of node.pair.verify.
type NodePairVerifyParams struct {
	NodeID string `json:"nodeId" rule:"required,nonempty"`
	Token  string `json:"token" rule:"required,nonempty"`
}

// NodePairVerifyResult is the result of node.pair.verify.
type NodePairVerifyResult struct {
	OK   bool        `json:"ok"`
	Node *PairedNode `json:"node,omitempty"`
}

// NodePairResolvedEvent is the payload of node.pair.resolved.
type NodePairResolvedEvent struct {
	RequestID string `json:"requestId"`
	NodeID    string `json:"nodeId"`
	Decision  string `json:"decision"` // approved or rejected
	TS        int64  `json:"ts"`
}

// NodeOffer is what a client in the role node says that it can do.
type NodeOffer struct {
	Caps        []string
	Commands    []string
	Permissions map[string]bool
	PathEnv     string
}

// Commands of nodes by which the gateway and its own node host know each other. Nodes may
// have any others.
const (
	CommandRun          = "system.run"
	CommandWhich        = "system.which"
	CommandApprovalsGet = "system.execApprovals.get" // reads the list of what the node runs unasked
	CommandApprovalsSet = "system.execApprovals.set"
)

// NodeInvokeParams are the parameters of node.invoke.
type NodeInvokeParams struct {
	NodeID         string          `json:"nodeId" rule:"required,nonempty"`
	Command        string          `json:"command" rule:"required,nonempty"`
	Params         json.RawMessage `json:"params,omitempty"`
	TimeoutMs      *int64          `json:"timeoutMs,omitempty" rule:"min=0"` // absent: 30 000
	IdempotencyKey string          `json:"idempotencyKey" rule:"required,nonempty"`
}

// NodeInvokeResult is the result of node.invoke.
type NodeInvokeResult struct {
	OK          bool            `json:"ok"`
	NodeID      string          `json:"nodeId"`
	Command     string          `json:"command"`
	Payload     json.RawMessage `json:"payload"`
	PayloadJSON *string         `json:"payloadJSON"` // as the node sent it, null when it sent none
}

// NodeInvokeEvent is the payload of node.invoke.request, which goes to one node.
type NodeInvokeEvent struct {
	ID             string  `json:"id"`
	NodeID         string  `json:"nodeId"`
	Command        string  `json:"command"`
	ParamsJSON     *string `json:"paramsJSON"`
	TimeoutMs      *int64  `json:"timeoutMs,omitempty"`
	IdempotencyKey string  `json:"idempotencyKey,omitempty"`
}

// NodeInvokeResultParams are the parameters of node.invoke.result, by which a node
// answers. PayloadJSON and Error may be null; a PayloadJSON that is no string is a payload.
type NodeInvokeResultParams struct {
	ID          string          `json:"id" rule:"required,nonempty"`
	NodeID      string          `json:"nodeId" rule:"required,nonempty"`
	OK          bool            `json:"ok" rule:"required"`
	Payload     json.RawMessage `json:"payload,omitempty"`
	PayloadJSON json.RawMessage `json:"payloadJSON,omitempty"`
	Error       *NodeError      `json:"error,omitempty" rule:"droppednull"`
}

// NodeError is why a node did not do what it was asked.
type NodeError struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// NodeInvokeAck is the result of node.invoke.result.
type NodeInvokeAck struct {
	OK      bool `json:"ok"`
	Ignored bool `json:"ignored,omitempty"` // nobody waits for it any more
}

// NodeEventParams are the parameters of node.event.
type NodeEventParams struct {
	Event       string          `json:"event" rule:"required,nonempty"`
	Payload     json.RawMessage `json:"payload,omitempty"`
	PayloadJSON string          `json:"payloadJSON,omitempty"`
}

// OK is the result of a method that has nothing to tell.
type OK struct {
	OK bool `json:"ok"`
}

// Codes of the details of a node.invoke that failed.
const (
	NodeNotConnected = "NOT_CONNECTED"
	NodeTimeout      = "TIMEOUT"
)
