package doctor

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKeepProgram: a build that is tried out of a temporary place does not put itself
// into the unit of an installed one.
func TestKeepProgram(t *testing.T) {
	t.Parallel()
	home := t.TempDir() // below /tmp, which is as good as any place then
	installed := filepath.Join(home, "bin", "coderclaw")
	if err := os.MkdirAll(filepath.Dir(installed), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(installed, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	const tried = "/x/go-build1/coderclaw"
	for name, tc := range map[string]struct{ own, unit, want string }{
		"a build that is tried":       {tried, installed, installed},
		"the installed one":           {"/usr/bin/coderclaw", installed, "/usr/bin/coderclaw"},
		"the unit has another's":      {tried, "/bin/sh", tried},
		"the unit's program is gone":  {tried, installed + "2", tried},
		"both will not stay":          {tried, "/x/go-build2/coderclaw", tried},
		"one of a version manager":    {home + "/.asdf/shims/coderclaw", installed, installed},
		"the unit's is a directory":   {tried, filepath.Dir(installed) + "/../coderclaw", tried},
		"an own place that will stay": {"/opt/new/coderclaw", installed, "/opt/new/coderclaw"},
	} {
		g := target(t)
		g.Spec.Exec[0] = tc.unit
		text, err := g.Spec.Render()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(g.Unit.Path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(g.Unit.Path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		g.Spec.Exec[0] = tc.own
		if got := KeepProgram(g, home); got.Spec.Exec[0] != tc.want {
			t.Errorf("%s: %s, want %s", name, got.Spec.Exec[0], tc.want)
		} else if tc.want != tc.own && g.Spec.Exec[0] != tc.own {
			t.Errorf("%s: the caller's spec has changed", name)
		}
	}
}
