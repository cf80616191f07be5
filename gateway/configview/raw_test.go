package configview

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/config"
)

// TestRawHidesSecretsHoweverTheyAreWritten: JSON5 has many spellings for one text.
func TestRawHidesSecretsHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "coderclaw.json")
	const text = `{
  // the old one: hunter2hunter2
  gateway: { mode: "local", auth: { token: 'hunt\u0065r2\
hunter2', password: "no" } }, // no more
}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Load(path, func(string) (string, bool) { return "", false })
	if err != nil || s.Err() != nil {
		t.Fatal(err, s.Err())
	}
	const want = `{
  // the old one: __CODERCLAW_REDACTED__
  gateway: { mode: "local", auth: { token: "__CODERCLAW_REDACTED__", password: "__CODERCLAW_REDACTED__" } }, // no more
}`
	if got := redactRaw(s); got != want {
		t.Errorf("got %s", got)
	}
	if strings.Contains(redactRaw(s), "hunt") {
		t.Error("a secret is shown")
	}
}
