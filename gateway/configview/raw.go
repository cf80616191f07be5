package configview

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/json5"
)

// minRepeat is the length from which on a secret is also hidden where it stands
// outside of its value, in a comment for instance. Shorter ones would blot out
// words that have nothing to do with it.
const minRepeat = 8

// redactRaw is the text of the file with every secret replaced at its place,
// however it is written there.
func redactRaw(s *config.Snapshot) string {
	found := secretsOf(nil, s.Tree, config.Redacted(s.Tree.Any()))
	var text strings.Builder
	end := 0
	for _, v := range found {
		text.Write(s.Raw[end:v.Start])
		text.WriteString(strconv.Quote(config.Sentinel))
		end = v.End
	}
	text.Write(s.Raw[end:])
	out := text.String()
	slices.SortFunc(found, func(a, b *json5.Value) int { return cmp.Compare(len(b.Text), len(a.Text)) }) // so that none survives as the rest of another
	for _, v := range found {
		if len(v.Text) >= minRepeat {
			out = strings.ReplaceAll(out, v.Text, config.Sentinel)
		}
	}
	return out
}

// secretsOf collects, in the order of the source, the texts of plain that
// redacted shows as the sentinel.
func secretsOf(found []*json5.Value, plain *json5.Value, redacted any) []*json5.Value {
	switch plain.Kind {
	case json5.String:
		if redacted == config.Sentinel && plain.Text != config.Sentinel {
			found = append(found, plain)
		}
	case json5.Object:
		other, _ := redacted.(map[string]any)
		for _, m := range plain.Members {
			found = secretsOf(found, m.Value, other[m.Key])
		}
	case json5.Array:
		other, _ := redacted.([]any)
		for i, item := range plain.Items {
			found = secretsOf(found, item, other[i])
		}
	}
	return found
}
