package rpc

import "github.com/coderclaw/coderclaw/gateway/protocol"

// plainRequest reads a request as clients write it: an object with type, id, method
// and params, each at most once, in strings that escape nothing. ok is false for
// anything else, be it right or wrong. raw has to be valid JSON; params is a part of it.
//
// The long way round, which says what is wrong, costs ten times as much.
func plainRequest(raw []byte) (req protocol.Request, ok bool) {
	i := skipSpace(raw, 0)
	if raw[i] != '{' {
		return req, false
	}
	i++
	var seenID, seenMethod bool
	for {
		i = skipSpace(raw, i)
		if raw[i] != '"' {
			return req, false // an empty object
		}
		end := valueEnd(raw, i)
		key := string(raw[i:end])
		i = skipSpace(raw, skipSpace(raw, end)+1) // behind the colon
		end = valueEnd(raw, i)
		value := raw[i:end]
		text, isText := plainString(value)
		switch {
		case key == `"type"` && req.Type == "" && text == protocol.TypeRequest:
			req.Type = text
		case key == `"id"` && !seenID && isText && text != "":
			req.ID, seenID = text, true
		case key == `"method"` && !seenMethod && isText && text != "":
			req.Method, seenMethod = text, true
		case key == `"params"` && req.Params == nil:
			req.Params = value
		default:
			return req, false
		}
		i = skipSpace(raw, end)
		if raw[i] == '}' {
			return req, req.Type != "" && seenID && seenMethod
		}
		i++ // the comma
	}
}

// plainString is the text of a JSON string of ASCII characters that escapes nothing.
func plainString(raw []byte) (text string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' || c >= 0x80 {
			return "", false
		}
	}
	return string(inner), true
}

func skipSpace(raw []byte, i int) int {
	for raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r' {
		i++
	}
	return i
}

// valueEnd is where the value that begins at i ends.
func valueEnd(raw []byte, i int) int {
	depth := 0
	for ; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // of a number or a name that is the last
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}
