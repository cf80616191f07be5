package rpc

import (
	"encoding/json"
	"errors"
	"sync"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// requestFrame is the shape of a request; its params are anything.
type requestFrame struct {
	Type   string          `json:"type" rule:"required,const=req"`
	ID     string          `json:"id" rule:"required,nonempty"`
	Method string          `json:"method" rule:"required,nonempty"`
	Params json.RawMessage `json:"params"`
}

var requestShape = sync.OnceValue(func() Params[requestFrame] { return ParamsOf[requestFrame]() })

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
	frame, wrong := requestShape().Read(raw)
	if wrong != "" {
		return req, id, errors.New(wrong)
	}
	return protocol.Request(frame), id, nil
}
