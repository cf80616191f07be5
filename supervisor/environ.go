package supervisor

import (
	"net/url"
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
		"GOCOVERDIR", "GORACE", // coverage and race detector of tests
		"SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP", // Windows
	}
}

// Environ returns the part of environ that children get. Where a variable
// stands twice the last one counts.
func Environ(environ []string) []string {
	var out []string
	at := map[string]int{}
	for _, kv := range environ {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || !isPassed(name) || isSecret(name, value) {
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

// withheld names the variables of environ that children do not get because a secret is in them.
func withheld(environ []string) []string {
	var out []string
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && isPassed(name) && isSecret(name, value) {
			out = append(out, name)
		}
	}
	return out
}

// isSecret tells whether a variable is the address of a proxy with a password in
// it. Others can read the environment of a process, and it gets into crash reports.
func isSecret(name, value string) bool {
	if !strings.HasSuffix(strings.ToUpper(name), "_PROXY") || !strings.Contains(value, "@") {
		return false
	}
	if !strings.Contains(value, "://") { // as curl allows
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil {
		return true // it has an @, and nobody can tell what stands before that
	}
	_, has := u.User.Password()
	return has
}

func isPassed(name string) bool {
	return slices.ContainsFunc(passed(), func(p string) bool {
		prefix, open := strings.CutSuffix(p, "*")
		return name == p || open && strings.HasPrefix(name, prefix)
	})
}
