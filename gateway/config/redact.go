package config

import (
	"strings"
)

// Sentinel stands for a secret in everything that is shown (spec/protocol §6.4).
const Sentinel = "__CODERCLAW_REDACTED__"

// Redacted returns a copy of v, in the types of encoding/json, in which every text
// at a sensitive key, and every URL with a password, is the Sentinel. A text that is
// nothing but ${NAME} stays.
func Redacted(v any) any { return redactedAt("", v) }

// redactedAt is Redacted for a value that was taken from the dotted path.
func redactedAt(path string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, sub := range v {
			out[k] = redactedAt(joinKey(path, k), sub)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, sub := range v {
			out[i] = redactedAt(path, sub) // a list of secrets goes by its key
		}
		return out
	case string:
		if secretAt(path, v) {
			return Sentinel
		}
		return v
	}
	return v
}

// secretAt tells whether the text at the dotted path must not be shown.
func secretAt(path, text string) bool {
	_, size := varAt(text)
	return text != "" && size != len(text) && (sensitive(path) || hasPassword(text))
}

// hasPassword tells whether the text is a URL whose user part holds a password.
func hasPassword(text string) bool {
	_, rest, ok := strings.Cut(text, "://")
	if !ok {
		return false
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	i := strings.LastIndexByte(rest, '@')
	if i < 0 {
		return false
	}
	_, password, _ := strings.Cut(rest[:i], ":")
	_, size := varAt(password)
	return password != "" && size != len(password)
}

// sensitive tells whether the value at the dotted path is a secret: by the name
// rules of spec/protocol §6.4, and for variables and HTTP headers because anything
// may be in them.
func sensitive(path string) bool {
	p := strings.ToLower(path)
	for _, harmless := range []string{"maxtokens", "maxoutputtokens", "maxinputtokens", "maxcompletiontokens",
		"contexttokens", "totaltokens", "tokencount", "tokenlimit", "tokenbudget", "passwordfile"} {
		if strings.HasSuffix(p, harmless) {
			return false
		}
	}
	if strings.HasSuffix(p, "token") || strings.Contains(p, "password") || strings.Contains(p, "secret") || hasAPIKey(p) {
		return true
	}
	return strings.HasPrefix(p, "env.") && !strings.HasPrefix(p, "env.shellenv.") || strings.Contains(p, ".headers.") || strings.Contains(p, ".env.")
}

// hasAPIKey finds "api", at most one character, "key".
func hasAPIKey(p string) bool {
	for rest := p; ; {
		i := strings.Index(rest, "api")
		if i < 0 {
			return false
		}
		rest = rest[i+len("api"):]
		if strings.HasPrefix(rest, "key") || len(rest) > 1 && strings.HasPrefix(rest[1:], "key") {
			return true
		}
	}
}
