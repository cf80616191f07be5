package rpc

import (
	"encoding/json"
	"strconv"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Frames are put together by hand around a payload that is valid JSON already:
// json.Marshal would read it through again, and again for what holds it.

const payloadKey = `,"payload":`

// responseFrame is a protocol.Response that brings a result; without a payload it has none.
func responseFrame(id string, payload json.RawMessage) []byte {
	b := AppendSuccess(make([]byte, 0, len(payload)+len(id)+64), id)
	if len(payload) == 0 {
		return append(b[:len(b)-len(payloadKey)], '}')
	}
	return append(append(b, payload...), '}')
}

// AppendSuccess appends the beginning of the frame that answers request id. A JSON
// text, the result, and a closing brace are to follow.
func AppendSuccess(b []byte, id string) []byte {
	b = appendString(append(b, `{"type":"res","id":`...), id)
	return append(b, `,"ok":true`+payloadKey...)
}

// eventFrame is a protocol.Event; a seq of 0 is no number.
func eventFrame(event string, payload json.RawMessage, seq int64, version *protocol.StateVersion) []byte {
	b := make([]byte, 0, len(payload)+len(event)+128)
	b = appendString(append(b, `{"type":"event","event":`...), event)
	if len(payload) > 0 {
		b = append(append(b, payloadKey...), payload...)
	}
	if seq > 0 {
		b = strconv.AppendInt(append(b, `,"seq":`...), seq, 10)
	}
	if version != nil {
		b = strconv.AppendInt(append(b, `,"stateVersion":{"presence":`...), version.Presence, 10)
		b = append(strconv.AppendInt(append(b, `,"health":`...), version.Health, 10), '}')
	}
	return append(b, '}')
}

// encode is v in JSON; what is encoded already is taken as it is.
func encode(v any) (json.RawMessage, error) {
	switch known := v.(type) {
	case json.RawMessage:
		return known, nil
	case interface{ encoded() json.RawMessage }:
		return known.encoded(), nil
	}
	return json.Marshal(v)
}

func appendString(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			raw, _ := json.Marshal(text) // a string always can be
			return append(b, raw...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}
