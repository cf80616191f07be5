package sshtunnel

import (
	"fmt"
	"strconv"
	"strings"
)

// Target is a machine that ssh can log in to.
type Target struct {
	User string // "" leaves it to ssh
	Host string // a name, an address, or an alias of the user's ssh config
	Port int    // 0 leaves it to ssh
}

// Parse reads user@host:port, of which only the host is required. An IPv6 address
// with a port stands in brackets. What ssh could take for an option is refused.
func Parse(text string) (Target, error) {
	rest := strings.TrimSpace(text)
	bad := func(why string) (Target, error) {
		return Target{}, fmt.Errorf("ssh target %q: %s; write it like user@host or user@host:22", text, why)
	}
	var t Target
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		t.User, rest = rest[:at], rest[at+1:]
		if t.User == "" {
			return bad("no user stands before the @")
		}
	}
	port, hasPort := "", false
	switch {
	case strings.HasPrefix(rest, "["):
		host, after, ok := strings.Cut(rest[1:], "]")
		if !ok {
			return bad("a bracket is not closed")
		}
		if t.Host = host; after != "" {
			if port, hasPort = strings.CutPrefix(after, ":"); !hasPort {
				return bad("only a port may follow the bracket")
			}
		}
	case strings.Count(rest, ":") == 1:
		t.Host, port, hasPort = strings.Cut(rest, ":")
	default:
		t.Host = rest
	}
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port != strconv.FormatUint(n, 10) {
			return bad(fmt.Sprintf("%q is not a port", port))
		}
		t.Port = int(n)
	}
	if t.Host == "" {
		return bad("no host is named")
	}
	for _, part := range []string{t.User, t.Host} {
		if strings.HasPrefix(part, "-") {
			return bad("a leading - would be an option of ssh")
		}
		if i := strings.IndexFunc(part, func(r rune) bool { return !plain(r) }); i >= 0 {
			return bad(fmt.Sprintf("%q is in no name of a user or host", []rune(part[i:])[0]))
		}
	}
	return t, nil
}

// plain tells whether a rune means nothing to a shell: ssh hands user and host to
// the commands of the user's own config.
func plain(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	}
	return strings.ContainsRune("._-:%+\\@", r) || r > 127
}

// String is the target as Parse reads it.
func (t Target) String() string {
	s := t.Host
	if strings.Contains(s, ":") {
		s = "[" + s + "]"
	}
	if t.User != "" {
		s = t.User + "@" + s
	}
	if t.Port != 0 {
		s += ":" + strconv.Itoa(t.Port)
	}
	return s
}
