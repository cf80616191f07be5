package rpc

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// requestFrame is the shape of a request, for Validate; its params are anything.
type requestFrame struct {
	Type   string `json:"type" rule:"required"`
	ID     string `json:"id" rule:"required,nonempty"`
	Method string `json:"method" rule:"required,nonempty"`
}

// validateRequest says what is wrong with a JSON text as a request frame.
func validateRequest(raw []byte) string {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return "must be object"
	}
	delete(fields, "params")
	rest, err := json.Marshal(fields)
	if err != nil {
		return "must be object"
	}
	wrong := Validate(rest, reflect.TypeFor[requestFrame]())
	if kind, ok := fields["type"]; ok && string(kind) != `"req"` {
		wrong = strings.TrimPrefix(wrong+"; at /type: must be equal to constant", "; ")
	}
	return wrong
}

// ErrNotJSON is for a frame that is no JSON text.
var ErrNotJSON = errors.New("not JSON")

// ParseRequest reads a request frame. id is the frame's id if it has one, else
// "invalid", for the answer to a frame that is wrong.
func ParseRequest(raw []byte) (req protocol.Request, id string, err error) {
	if !json.Valid(raw) {
		return req, "invalid", ErrNotJSON
	}
	if req, ok := plainRequest(raw); ok {
		return req, req.ID, nil
	}
	return anyRequest(raw)
}

// anyRequest is ParseRequest for whatever is JSON.
func anyRequest(raw []byte) (req protocol.Request, id string, err error) {
	var loose struct {
		ID any `json:"id"`
	}
	_ = json.Unmarshal(raw, &loose) // anything but an object has no id
	id = "invalid"
	if text, ok := loose.ID.(string); ok && text != "" {
		id = text
	}
	if wrong := validateRequest(raw); wrong != "" {
		return req, id, errors.New(wrong)
	}
	return req, id, json.Unmarshal(raw, &req)
}
