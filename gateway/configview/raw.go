package configview

import (
	"cmp"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/config"
)

// redactRaw replaces every secret in the text of the file. The longest are
// replaced first, so that none survives as the rest of another.
func redactRaw(s *config.Snapshot) string {
	secrets := secretsOf(nil, s.Tree.Any(), config.Redacted(s.Tree.Any()))
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	text := string(s.Raw)
	for _, secret := range slices.Compact(secrets) {
		text = strings.ReplaceAll(text, secret, config.Sentinel)
	}
	return text
}

// secretsOf collects the strings of plain that redacted shows as the sentinel.
func secretsOf(found []string, plain, redacted any) []string {
	switch plain := plain.(type) {
	case string:
		if redacted == config.Sentinel && plain != config.Sentinel && plain != "" {
			found = append(found, plain)
		}
	case map[string]any:
		other, _ := redacted.(map[string]any)
		for k, v := range plain {
			found = secretsOf(found, v, other[k])
		}
	case []any:
		other, _ := redacted.([]any)
		for i, v := range plain {
			if i < len(other) {
				found = secretsOf(found, v, other[i])
			}
		}
	}
	return found
}
