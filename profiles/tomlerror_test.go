package profiles

import "testing"

// TestKinds: a value of the wrong kind is told in the words of the file.
func TestKinds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[profiles.dev]\nport = \"x\"":        `registry R:2:8: profiles.dev.port: want a whole number, not this string`,
		"[profiles.dev]\nport = 1.5":          `registry R:2:8: profiles.dev.port: want a whole number, not this float`,
		"[profiles.dev]\npass_env = 3":        `registry R:2:12: profiles.dev.pass_env: want a list of texts, as ["a", "b"], not this integer`,
		"[profiles.dev]\nallow = [3]":         `registry R:2:10: profiles.dev.allow: want a text in quotes, not this integer`,
		"[profiles.dev]\ndrain = true":        `registry R:2:9: profiles.dev.drain: want a text in quotes, not this boolean`,
		"[profiles]\ndev = 3":                 `registry R:2:7: profiles.dev: want a table, not this integer`,
		"profiles = 3":                        `registry R:1:12: profiles: want a table, not this integer`,
		"[supervisor]\nmetrics_port = \"90\"": `registry R:2:16: supervisor.metrics_port: want a whole number, not this string`,
	} {
		if _, err := parse("R", "/h", []byte(text), true); err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}
