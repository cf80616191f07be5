package profiles

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestHome: a home that depends on where the command was typed is none.
func TestHome(t *testing.T) {
	t.Parallel()
	abs := t.TempDir()
	for name, tc := range map[string]struct {
		env        map[string]string
		want, fail string
	}{
		"home":     {map[string]string{"HOME": abs + "/"}, abs, ""},
		"own":      {map[string]string{"HOME": "relative", "CODERCLAW_HOME": abs}, abs, ""},
		"tilde":    {map[string]string{"HOME": abs, "CODERCLAW_HOME": "~/c"}, filepath.Join(abs, "c"), ""},
		"none":     {nil, "", "no home directory"},
		"relative": {map[string]string{"HOME": "."}, "", `"." is not an absolute path`},
	} {
		got, err := Home(func(k string) (string, bool) { v, ok := tc.env[k]; return v, ok })
		if got != tc.want || (err == nil) != (tc.fail == "") || err != nil && !strings.Contains(err.Error(), tc.fail) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}
