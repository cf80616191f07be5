package mdns

import (
	"fmt"
	"strings"
)

// escape writes raw text as the wire format's library reads names and texts: every
// byte that it could take for something else as \DDD.
func escape(raw string) string {
	var b strings.Builder
	for i := range len(raw) {
		switch c := raw[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_=:/ ", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\%03d`, c)
		}
	}
	return b.String()
}

// unescape is the raw text of what the library made of it.
func unescape(text string) string {
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b = append(b, text[i])
			continue
		}
		if i+3 < len(text) && digit(text[i+1]) && digit(text[i+2]) && digit(text[i+3]) {
			n := int(text[i+1]-'0')*100 + int(text[i+2]-'0')*10 + int(text[i+3]-'0')
			b = append(b, byte(n))
			i += 3
			continue
		}
		i++
		b = append(b, text[i])
	}
	return string(b)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// firstLabel splits a name, as the library writes it, behind its first part.
func firstLabel(name string) (first, rest string) {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\\':
			i++ // of three digits none is a dot
		case '.':
			return name[:i], name[i+1:]
		}
	}
	return name, ""
}
