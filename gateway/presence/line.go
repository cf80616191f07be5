package presence

import (
	"strconv"
	"strings"
)

// line is what a program says of itself in one line of text:
//
//	Node: HOST (IP) · app VERSION · last input Ns ago · mode MODE · reason REASON
type line struct {
	host, ip, version, mode, reason string
	lastInput                       *int64 // in seconds
}

const (
	lineStart = "Node:"
	separator = " · "
)

// parseLine reads what is there of such a line; parts that it does not know are
// passed over, and the reason goes on to the end. It reports whether the text is one at all.
func parseLine(text string) (l line, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), lineStart)
	if !ok {
		return line{}, false
	}
	who, rest, _ := strings.Cut(rest, separator)
	who = strings.TrimSpace(who)
	if open := strings.LastIndex(who, "("); open >= 0 && strings.HasSuffix(who, ")") {
		l.ip = strings.TrimSpace(who[open+1 : len(who)-1])
		who = strings.TrimSpace(who[:open])
	}
	l.host = who
	for rest != "" {
		if reason, found := strings.CutPrefix(rest, "reason "); found {
			l.reason = strings.TrimSpace(reason)
			break
		}
		var part string
		part, rest, _ = strings.Cut(rest, separator)
		l.take(part)
	}
	return l, true
}

func (l *line) take(part string) {
	if v, found := strings.CutPrefix(part, "app "); found {
		l.version = strings.TrimSpace(v)
	}
	if v, found := strings.CutPrefix(part, "mode "); found {
		l.mode = strings.TrimSpace(v)
	}
	if v, found := strings.CutPrefix(part, "last input "); found {
		seconds, ago := strings.CutSuffix(v, "s ago")
		if n, err := strconv.ParseInt(seconds, 10, 64); ago && err == nil && n >= 0 {
			l.lastInput = &n
		}
	}
}
