package supervisor

import (
	"slices"
	"strings"
)

// passed are the variables that a gateway gets from its supervisor: what
// programs need to find themselves, their files, their language and the
// network. Everything else, and every secret, goes through the hand-off pipe or
// not at all, so that a gateway never depends on the shell that started it.
func passed() []string {
	return []string{
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR",
		"LANG", "LANGUAGE", "LC_*",
		"SSL_CERT_FILE", "SSL_CERT_DIR",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
		"GOCOVERDIR",                                                          // coverage of tests
		"SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP", // Windows
	}
}

// Environ returns the part of environ that children get. Where a variable
// stands twice the last one counts.
func Environ(environ []string) []string {
	var out []string
	at := map[string]int{}
	for _, kv := range environ {
		name, _, ok := strings.Cut(kv, "=")
		if !ok || !isPassed(name) {
			continue
		}
		if i, twice := at[name]; twice {
			out[i] = kv
			continue
		}
		at[name] = len(out)
		out = append(out, kv)
	}
	return out
}

func isPassed(name string) bool {
	return slices.ContainsFunc(passed(), func(p string) bool {
		prefix, open := strings.CutSuffix(p, "*")
		return name == p || open && strings.HasPrefix(name, prefix)
	})
}
