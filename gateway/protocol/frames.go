// Package protocol owns the frames of the gateway's WebSocket protocol, version
// 3, and the types of what they carry, for server and client alike. It opens no
// socket and decides nothing.
package protocol

import (
	"encoding/json"
	"unicode/utf8"
)

// Version is the protocol that we speak. Older and newer clients are refused.
const Version = 3

// Limits that hello-ok announces, in bytes and ms.
const (
	MaxPayload       = 26_214_400 // of one inbound frame
	MaxBufferedBytes = 52_428_800 // waiting for one connection
	TickIntervalMs   = 30_000
)

// MaxReason is how many UTF-8 bytes of a close reason are sent; RFC 6455 allows 123.
const MaxReason = 120

// Frame types.
const (
	TypeRequest  = "req"
	TypeResponse = "res"
	TypeEvent    = "event"
	TypeHello    = "hello-ok"
)

// Close codes, beside those of RFC 6455 that they share numbers with.
const (
	CloseNormal   = 1000
	CloseProtocol = 1002
	ClosePolicy   = 1008
	CloseTooBig   = 1009
	CloseRestart  = 1012
)

// Error codes.
const (
	CodeInvalidRequest = "INVALID_REQUEST"
	CodeNotPaired      = "NOT_PAIRED"
	CodeUnavailable    = "UNAVAILABLE"
)

// CodeMismatch is the code within the details of a refusal of a client that
// speaks another protocol.
const CodeMismatch = "PROTOCOL_MISMATCH"

// Mismatch are those details: from them a client of a later protocol makes the
// message that names the versions.
type Mismatch struct {
	Code      string `json:"code"`
	ClientMin int    `json:"clientMinProtocol"`
	ClientMax int    `json:"clientMaxProtocol"`
	Expected  int    `json:"expectedProtocol"` // ours
}

// Request asks for a method.
type Request struct {
	Type   string          `json:"type"`
	ID     string          `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"`
}

// Response answers the request of the same id.
type Response struct {
	Type    string          `json:"type"`
	ID      string          `json:"id"`
	OK      bool            `json:"ok"`
	Payload json.RawMessage `json:"payload,omitempty"`
	Error   *Error          `json:"error,omitempty"`
}

// Event is sent without being asked for. Broadcasts carry a number, events for
// one client do not.
type Event struct {
	Type         string          `json:"type"`
	Event        string          `json:"event"`
	Payload      json.RawMessage `json:"payload,omitempty"`
	Seq          *int64          `json:"seq,omitempty"`
	StateVersion *StateVersion   `json:"stateVersion,omitempty"`
}

// StateVersion counts the changes of what presence and health events carry.
type StateVersion struct {
	Presence int64 `json:"presence"`
	Health   int64 `json:"health"`
}

// Error is why a request failed. It is an error, so that handlers return it and
// clients get it back.
type Error struct {
	Code         string `json:"code"`
	Message      string `json:"message"`
	Details      any    `json:"details,omitempty"`
	Retryable    bool   `json:"retryable,omitempty"`
	RetryAfterMs int64  `json:"retryAfterMs,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// Invalid is an INVALID_REQUEST error.
func Invalid(message string) *Error { return &Error{Code: CodeInvalidRequest, Message: message} }

// Reason cuts a close reason to MaxReason bytes, see Cut.
func Reason(text string) string { return Cut(text, MaxReason) }

// Cut shortens text to that many bytes, between characters.
func Cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}
