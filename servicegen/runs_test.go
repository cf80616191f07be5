package servicegen

import (
	"path/filepath"
	"testing"
)

func TestRunBy(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{FormatSystemd, FormatLaunchd} {
		o := options(f)
		o.Scope, o.User, o.Exe = ScopeSystem, "claw", `/opt/50% of "all" $5/coderclaw`
		o.RegistryPath = `/home/claw/a b%h/$HOME "x"\y.toml`
		s := ForProfile(profile("work"), o)
		text, err := s.Render()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), s.Name)
		if _, found := RunBy(f, ScopeSystem, path); found {
			t.Errorf("%s: nothing runs something", f)
		}
		write(t, path, string(text))
		got, found := RunBy(f, ScopeSystem, path)
		if want := (Runs{Profile: "work", User: "claw", Registry: o.RegistryPath, Program: o.Exe}); !found || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", f, got, found, want)
		}
		write(t, path, "[Service]\nExecStart=/usr/bin/node /x/coderclaw/entry.js gateway\n")
		if got, found := RunBy(f, ScopeSystem, path); found {
			t.Errorf("%s: somebody else's runs %+v", f, got)
		}
	}
}
