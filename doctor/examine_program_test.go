package doctor

import (
	"strings"
	"testing"
)

func programExams() []exam {
	at := func(path, trouble string) func(*testing.T, *Target, *Observation) {
		return func(t *testing.T, g *Target, o *Observation) {
			g.Spec.Exec[0] = path
			disk(t, g, o, `"/bin/sh"`, `"`+path+`"`)
			o.Program = ProgramFact{Path: path, Trouble: trouble}
		}
	}
	return []exam{
		{"program gone", func(t *testing.T, g *Target, o *Observation) {
			disk(t, g, o, `"/bin/sh"`, `"/opt/100%%/coderclaw"`)
			o.Program = ProgramFact{Path: "/opt/100%/coderclaw", Trouble: "missing"}
		}, []Code{BinaryMissing}},
		{"own program gone", func(_ *testing.T, _ *Target, o *Observation) { o.Program.Trouble = "not executable" }, []Code{BinaryMissing}},
		{"program in /tmp", at("/tmp/x/coderclaw", ""), []Code{BinaryTemporary}},
		{"program below a version", at("/opt/homebrew/Cellar/coderclaw/1.0/bin/coderclaw", ""), []Code{BinaryVersioned}},
		{"program replaced", func(_ *testing.T, _ *Target, o *Observation) { o.Process.ExeDeleted = true }, []Code{BinaryReplaced}},
	}
}

func TestPlaceOf(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]Code{
		"/usr/bin/coderclaw": "", "/home/ann/.local/bin/coderclaw": "", "/home/ann/bin/coderclaw": "", "/opt/homebrew/bin/coderclaw": "",
		"/usr/local/bin/../bin/coderclaw": "", "/nix/store/x/bin/coderclaw": "", "/home/ann/tmp/coderclaw": "", "/home/bob/.cache/x": "",
		"/tmp/coderclaw": BinaryTemporary, "/var/tmp/a/coderclaw": BinaryTemporary, "/private/tmp/c": BinaryTemporary, "/private/var/folders/x/T/c": BinaryTemporary,
		"/dev/shm/c": BinaryTemporary, "/run/user/1/c": BinaryTemporary, "/home/ann/Downloads/coderclaw": BinaryTemporary,
		"/home/ann/.cache/go-build/aa/x": BinaryTemporary, "/srv/go-build123/b001/exe/coderclaw": BinaryTemporary, "/usr/bin/../../tmp/c": BinaryTemporary,
		"/home/ann/.nvm/versions/node/v22/bin/coderclaw": BinaryVersioned, "/home/ann/.asdf/installs/coderclaw/1/bin/coderclaw": BinaryVersioned,
		"/home/ann/.local/share/mise/installs/coderclaw/1/coderclaw": BinaryVersioned, "/home/ann/.volta/bin/coderclaw": BinaryVersioned,
		"/home/ann/.local/share/fnm/x/coderclaw": BinaryVersioned, "/home/ann/.local/share/pnpm/coderclaw": BinaryVersioned,
		"/home/linuxbrew/.linuxbrew/Cellar/coderclaw/1.2/bin/coderclaw": BinaryVersioned, "/usr/lib/node_modules/coderclaw/bin/coderclaw": BinaryVersioned,
	} {
		if got, where := placeOf(path, "/home/ann"); got != want || (where == "") != (want == "") {
			t.Errorf("%s: got %q in %q, want %q", path, got, where, want)
		}
	}
	if got, _ := placeOf("/tmp/x/bin/coderclaw", "/tmp/x"); got != "" {
		t.Errorf("below a temporary home: %s", got)
	}
}

// TestProgramThatWillNotStay: a build tried out of a temporary directory does not
// take the place of the installed one.
func TestProgramThatWillNotStay(t *testing.T) {
	t.Parallel()
	for own, mended := range map[string]bool{"/usr/local/bin/coderclaw": true, "/tmp/go-build1/coderclaw": false} {
		g := target(t)
		g.Spec.Exec[0] = own
		o := healthy(t, g)
		disk(t, &g, &o, `"`+own+`"`, `"/bin/sh"`)
		found := Examine(g, o)
		if len(found) != 1 || found[0].Code != UnitProgram || found[0].Repairable != mended || strings.Contains(found[0].Fix, "/bin/sh --profile dev doctor") == mended {
			t.Errorf("%s: %+v", own, found)
		}
	}
}
