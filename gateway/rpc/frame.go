package rpc

import (
	"encoding/json"
	"reflect"
	"strings"
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
