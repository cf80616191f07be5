package doctor

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/coderclaw/coderclaw/servicegen"
)

// fingerprint stands for a secret in texts for people: it tells two apart and
// gives none away.
func fingerprint(secret string) string {
	if secret == "" {
		return "(none)"
	}
	return servicegen.ShowEnv("SECRET", secret)
}

// isSecretName tells whether a variable of this name holds a secret.
func isSecretName(name string) bool { return servicegen.ShowEnv(name, "x") != "x" }

// leastSecret is how long a known secret must be to be looked for in texts: a
// shorter one would stand in words that have nothing to do with it.
const leastSecret = 6

var (
	secretFlag = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(--(?:[a-z-]+-)?(?:token|password|passphrase|secret|api-key)(?:=|\s+))("[^"]*"|'[^']*'|[^\s"']+)`)
	})
	secretVariable = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\b([A-Za-z0-9_]*(?:TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL|API_KEY|ACCESS_KEY|PRIVATE_KEY)[A-Za-z0-9_]*=)("[^"]*"|'[^']*'|[^\s"'(]+)`)
	})
)

// RedactText replaces what looks like a secret, and every secret that is known. Short
// ones are known by their shape only. A secret may hold another; nothing is left of either.
func RedactText(text string, known []string) string {
	longestFirst := slices.SortedFunc(slices.Values(known), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, s := range longestFirst {
		if len(s) >= leastSecret {
			text = strings.ReplaceAll(text, s, fingerprint(s))
		}
	}
	for _, shape := range []*regexp.Regexp{secretFlag(), secretVariable()} {
		text = shape.ReplaceAllStringFunc(text, func(m string) string {
			part := shape.FindStringSubmatch(m)
			value := strings.Trim(part[2], `"'`)
			if value == "" || strings.HasPrefix(value, "(secret") {
				return m
			}
			return part[1] + fingerprint(value)
		})
	}
	return text
}

// redact takes secrets out of every text of f.
func (o Observation) redact(f Finding) Finding {
	for _, text := range []*string{&f.Path, &f.Key, &f.Have, &f.Want, &f.Message, &f.Fix} {
		*text = RedactText(*text, o.secretsKnown)
	}
	return f
}
