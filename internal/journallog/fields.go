package journallog

import (
	"log/slog"
	"strconv"
	"strings"
	"unicode"

	"github.com/coreos/go-systemd/v22/journal"
)

// flat is an attribute that is no group; the groups that it is in are part of its key.
type flat struct{ key, value string }

// flatten appends what a holds, below the groups of prefix.
func flatten(list []flat, prefix string, a slog.Attr) []flat {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Equal(slog.Attr{}) {
			return list // which says nothing, by the rules of slog
		}
		return append(list, flat{prefix + a.Key, v.String()})
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, sub := range v.Group() {
		list = flatten(list, prefix, sub)
	}
	return list
}

// maxField is the length of a name beyond which the journal drops the field.
const maxField = 64

// fieldName is the journal's name for an attribute: capitals, digits and _.
func fieldName(key string) string {
	name := Prefix + strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, key)
	return name[:min(len(name), maxField)]
}

// quoted is a value as it stands in the text: bare where that cannot be misread.
func quoted(value string) string {
	odd := func(c rune) bool {
		return unicode.IsSpace(c) || !unicode.IsPrint(c) || c == '"' || c == '=' || c == unicode.ReplacementChar
	}
	if value == "" || strings.ContainsFunc(value, odd) {
		return strconv.Quote(value)
	}
	return value
}

func priority(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
