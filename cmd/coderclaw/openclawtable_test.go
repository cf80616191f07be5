package main

// openClawCall is one call and the shape of its result.
type openClawCall struct {
	method, params string // $NAME is what an earlier call kept, the id of the node, or of a device's request
	shape          string // see openclawtest.Differs
	refused        string // the error instead
	keep           string // NAME=KEY/KEY keeps a value of the result
}

const (
	nodeShape = `"nodeId":"", "displayName?":"", "platform?":"", "version?":"", "coreVersion?":"", "uiVersion?":"", "deviceFamily?":"", "modelIdentifier?":"",
		"remoteIp?":"", "caps":[""], "commands":[""], "pathEnv?":"", "permissions?":{"*":true}, "connectedAtMs?":0, "paired":true, "connected":true`
	pairedNodeShape = `{"nodeId":"", "token":"", "displayName?":"", "platform?":"", "version?":"", "coreVersion?":"", "uiVersion?":"", "deviceFamily?":"",
		"modelIdentifier?":"", "caps?":[""], "commands?":[""], "remoteIp?":"", "bins?":[""], "createdAtMs":0, "approvedAtMs":0, "lastConnectedAtMs?":0}`
	nodeRequestShape = `{"requestId":"", "nodeId":"", "displayName?":"", "platform?":"", "version?":"", "coreVersion?":"", "uiVersion?":"", "deviceFamily?":"",
		"modelIdentifier?":"", "caps?":[""], "commands?":[""], "remoteIp?":"", "silent?":true, "isRepair?":true, "ts":0}`
	deviceShape = `{"deviceId":"", "publicKey":"", "displayName?":"", "platform?":"", "clientId?":"", "clientMode?":"", "role?":"", "roles?":[""], "scopes?":[""],
		"remoteIp?":"", "tokens?":[{"role":"", "scopes":[""], "createdAtMs":0, "rotatedAtMs?":0, "revokedAtMs?":0, "lastUsedAtMs?":0}], "createdAtMs":0, "approvedAtMs":0}`
	deviceRequestShape = `{"requestId":"", "deviceId":"", "publicKey":"", "displayName?":"", "platform?":"", "clientId?":"", "clientMode?":"", "role?":"",
		"roles?":[""], "scopes?":[""], "remoteIp?":"", "silent?":true, "isRepair?":true, "ts":0}`
	approvalsShape = `{"path":"", "exists":true, "hash":"", "file":{"version":1, "...":0}}`
	sessionsShape  = `{"path":"", "count":0, "recent":[{"key":"", "updatedAt^":0, "age^":0}]}`
	recentShape    = `[{"key":"", "kind":"", "updatedAt^":0, "age^":0, "...":0}]`
)

// openClawCalls are the methods of tier A whose subject exists, as the protocol
// gives them. What the gateway does not have must be unknown to it.
var openClawCalls = []openClawCall{
	{method: "health", params: `{}`, shape: healthShape},
	{method: "health", params: `{"probe":true}`, shape: healthShape},
	{method: "status", params: `{}`, shape: `{"linkChannel?":{"id":"", "label":"", "linked":true, "authAgeMs^":0},
		"heartbeat":{"defaultAgentId":"", "agents":[{"agentId":"", "enabled":true, "every":"", "everyMs^":0}]}, "channelSummary":[""], "queuedSystemEvents":[""],
		"sessions":{"paths":[""], "count":0, "defaults":{"model^":"", "contextTokens^":0}, "recent":` + recentShape + `,
			"byAgent":[{"agentId":"", "path":"", "count":0, "recent":` + recentShape + `}]}}`},
	{method: "system-presence", params: `{}`, shape: `[{"host?":"", "ip?":"", "version?":"", "platform?":"", "deviceFamily?":"", "modelIdentifier?":"", "mode?":"",
		"lastInputSeconds?":0, "reason?":"", "tags?":[""], "text":"", "ts":0, "deviceId?":"", "roles?":[""], "scopes?":[""], "instanceId?":""}]`},
	{method: "system-event", params: `{"text":"Node: box (192.0.2.1) · app 1 · mode ui · reason launch"}`, shape: `{"ok":true}`},
	{method: "system-event", params: `{"text":" "}`, refused: "text required"},
	{method: "set-heartbeats", params: `{"enabled":false}`, shape: `{"ok":true, "enabled":false}`},
	{method: "set-heartbeats", params: `{}`, refused: "invalid set-heartbeats params: enabled (boolean) required"},
	{method: "last-heartbeat", params: `{}`, shape: `null`},
	{method: "wake", params: `{"mode":"next-heartbeat","text":"hello"}`, shape: `{"ok":true}`},
	{method: "logs.tail", params: `{"limit":5}`, shape: `{"file":"", "cursor":0, "size":0, "lines":[""], "truncated":true, "reset":true}`},
	{method: "logs.tail", params: `{"limit":0}`, refused: "invalid logs.tail params: at /limit: must be >= 1"},
	{method: "channels.status", params: `{"probe":true}`, shape: `{"ts":0, "channelOrder":[""], "channelLabels":{"*":""}, "channelDetailLabels":{"*":""},
		"channelSystemImages":{"*":""}, "channelMeta":[{"id":"", "label":"", "detailLabel":"", "systemImage?":""}], "channels":{"*":{"configured":true, "...":0}},
		"channelAccounts":{"*":[{"accountId":"", "...":0}]}, "channelDefaultAccountId":{"*":""}}`},
	{method: "config.get", params: `{}`, shape: `{"path":"", "exists":true, "raw^":"", "parsed^":{"...":0}, "resolved":{"...":0}, "valid":true, "config":{"...":0}, "hash":"",
		"issues":[{"path":"", "message":""}], "warnings":[], "legacyIssues":[]}`},

	{method: "device.pair.list", params: `{}`, shape: `{"pending":[` + deviceRequestShape + `], "paired":[` + deviceShape + `]}`},
	{method: "device.pair.approve", params: `{"requestId":"$FIRST"}`, shape: `{"requestId":"", "device":{"deviceId":"", "...":0}}`, keep: "DEVICE=device/deviceId"},
	{method: "device.pair.approve", params: `{"requestId":"$FIRST"}`, refused: "unknown requestId"},
	{method: "device.pair.reject", params: `{"requestId":"$SECOND"}`, shape: `{"requestId":"", "deviceId":""}`},
	{method: "device.token.rotate", params: `{"deviceId":"$DEVICE","role":"operator"}`, shape: `{"deviceId":"", "role":"", "token":"", "scopes":[""], "rotatedAtMs":0}`},
	{method: "device.token.rotate", params: `{"deviceId":"$DEVICE","role":"node"}`, refused: "unknown deviceId/role"},
	{method: "device.token.revoke", params: `{"deviceId":"$DEVICE","role":"operator"}`, shape: `{"deviceId":"", "role":"", "revokedAtMs":0}`},
	{method: "device.pair.remove", params: `{"deviceId":"$DEVICE"}`, shape: `{"deviceId":""}`},
	{method: "device.pair.remove", params: `{"deviceId":"$DEVICE"}`, refused: "unknown deviceId"},

	{method: "node.list", params: `{}`, shape: `{"ts":0, "nodes":[{` + nodeShape + `}]}`},
	{method: "node.describe", params: `{"nodeId":"$NODE"}`, shape: `{"ts":0, ` + nodeShape + `}`},
	{method: "node.describe", params: `{"nodeId":"nobody"}`, refused: "unknown nodeId"},
	{method: "node.invoke", params: `{"nodeId":"$NODE","command":"system.which","params":{"bins":["sh"]},"idempotencyKey":"a"}`,
		shape: `{"ok":true, "nodeId":"", "command":"", "payload":{"bins":{"*":""}}, "payloadJSON^":""}`},
	{method: "node.invoke", params: `{"nodeId":"nobody","command":"system.which","idempotencyKey":"b"}`, refused: "node not connected"},
	{method: "node.invoke", params: `{"nodeId":"$NODE","command":"camera.snap","idempotencyKey":"c"}`, refused: "node command not allowed"},
	{method: "node.invoke.result", params: `{}`, refused: "unauthorized role: operator"},
	{method: "node.event", params: `{}`, refused: "unauthorized role: operator"},
	{method: "node.pair.request", params: `{"nodeId":"n1","displayName":"one"}`, shape: `{"status":"", "request":` + nodeRequestShape + `, "created":true}`, keep: "ONE=request/requestId"},
	{method: "node.pair.request", params: `{"nodeId":"n2"}`, shape: `{"status":"", "request":` + nodeRequestShape + `, "created":true}`, keep: "TWO=request/requestId"},
	{method: "node.pair.list", params: `{}`, shape: `{"pending":[` + nodeRequestShape + `], "paired":[` + pairedNodeShape + `]}`},
	{method: "node.pair.approve", params: `{"requestId":"$ONE"}`, shape: `{"requestId":"", "node":` + pairedNodeShape + `}`, keep: "SECRET=node/token"},
	{method: "node.pair.approve", params: `{"requestId":"$ONE"}`, refused: "unknown requestId"},
	{method: "node.pair.reject", params: `{"requestId":"$TWO"}`, shape: `{"requestId":"", "nodeId":""}`},
	{method: "node.pair.verify", params: `{"nodeId":"n1","token":"$SECRET"}`, shape: `{"ok":true, "node":` + pairedNodeShape + `}`},
	{method: "node.pair.verify", params: `{"nodeId":"n1","token":"x"}`, shape: `{"ok":false}`},
	{method: "node.rename", params: `{"nodeId":"n1","displayName":"uno"}`, shape: `{"nodeId":"", "displayName":""}`},

	{method: "exec.approvals.get", params: `{}`, shape: approvalsShape, keep: "HASH=hash"},
	{method: "exec.approvals.set", params: `{"file":{"version":1},"baseHash":"$HASH"}`, shape: approvalsShape},
	{method: "exec.approvals.node.get", params: `{"nodeId":"$NODE"}`, shape: approvalsShape, keep: "NODEHASH=hash"},
	{method: "exec.approvals.node.set", params: `{"nodeId":"$NODE","file":{"version":1},"baseHash":"$NODEHASH"}`, shape: approvalsShape},
	{method: "exec.approval.request", params: `{"id":"q1","command":"id","twoPhase":true}`, shape: `{"status":"", "id":"", "createdAtMs":0, "expiresAtMs":0}`},
	{method: "exec.approval.resolve", params: `{"id":"q1","decision":"allow-once"}`, shape: `{"ok":true}`},
	{method: "exec.approval.resolve", params: `{"id":"q1","decision":"perhaps"}`, refused: "invalid decision"},
	{method: "exec.approval.resolve", params: `{"id":"q9","decision":"deny"}`, refused: "unknown approval id"},
	{method: "exec.approval.waitDecision", params: `{"id":"q1"}`, shape: `{"id":"", "decision":"", "createdAtMs":0, "expiresAtMs":0}`},
}

const healthShape = `{"ok":true, "ts":0, "durationMs":0, "channels":{"*":{"accountId":"", "...":0}}, "channelOrder":[""], "channelLabels":{"*":""}, "heartbeatSeconds":0,
	"defaultAgentId":"", "agents":[{"agentId":"", "name?":"", "isDefault":true, "sessions":` + sessionsShape + `,
		"heartbeat":{"enabled":true, "every":"", "everyMs^":0, "prompt":"", "target":"", "model?":"", "ackMaxChars":0}}],
	"sessions":` + sessionsShape + `, "coderclaw":{"profile":"", "instance":"", "pid":0, "build":"", "...":0}}`
