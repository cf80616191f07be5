package doctor

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

func actions(steps []Step) (out []string) {
	for _, s := range steps {
		for _, a := range s.Actions {
			out = append(out, string(a.Verb)+" "+a.Unit)
		}
	}
	return out
}

// TestMerged: what several remedies ask a manager for is asked once, the last time,
// and of what starts a unit only the strongest.
func TestMerged(t *testing.T) {
	t.Parallel()
	ask := func(unit string, verbs ...Verb) Step {
		s := Step{What: unit}
		for _, v := range verbs {
			s.Actions = append(s.Actions, Action{Verb: v, Unit: unit})
		}
		return s
	}
	for name, tc := range map[string]struct {
		in   []Step
		want []string
	}{
		"nothing":         {nil, nil},
		"twice":           {[]Step{ask("a", VerbReload), ask("a", VerbReload)}, []string{"reload a"}},
		"start, restart":  {[]Step{ask("a", VerbReset, VerbStart), ask("a", VerbRestart)}, []string{"reset-failed a", "restart a"}},
		"restart, reexec": {[]Step{ask("a", VerbRestart), ask("a", VerbReexec)}, []string{"restart a"}},
		"two units":       {[]Step{ask("a", VerbStart), ask("b", VerbRestart), ask("a", VerbStart)}, []string{"restart b", "start a"}},
	} {
		if got := actions(merged(tc.in)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestOnePerPath: what several remedies want of one file is one edit.
func TestOnePerPath(t *testing.T) {
	t.Parallel()
	seen := Seen{Path: "/f", Place: swapfile.Holds([]byte("old"), 0o644), Raw: []byte("old")}
	steps := onePerPath([]Step{
		{Edits: []Edit{seen.Chmod(0o600), seen.Write([]byte("new"), 0o644)}},
		{Edits: []Edit{seen.Write([]byte("third"), 0o644), {Path: "/g"}}},
	})
	want := seen.Write([]byte("new"), 0o600)
	if len(steps[0].Edits) != 1 || !reflect.DeepEqual(steps[0].Edits[0], want) {
		t.Errorf("%+v, want %+v", steps[0].Edits, want)
	}
	if len(steps[1].Edits) != 1 || steps[1].Edits[0].Path != "/g" {
		t.Errorf("%+v", steps[1].Edits)
	}
}

func TestDiffOfEdits(t *testing.T) {
	t.Parallel()
	file := Seen{Path: "/f", Place: swapfile.Holds([]byte("A_TOKEN=x\nb\n"), 0o644), Raw: []byte("A_TOKEN=x\nb\n")}
	none := Seen{Path: "/f", Place: swapfile.Place{Kind: swapfile.Missing}}
	link := Seen{Path: "/f", Place: swapfile.Place{Kind: swapfile.Link, Target: "/dev/null"}}
	dir := Seen{Path: "/f", Place: swapfile.Place{Kind: swapfile.Dir, Mode: 0o755}}
	for _, tc := range []struct {
		edit Edit
		want []string
	}{
		{file.Write([]byte("A_TOKEN=x\nc\n"), 0o600), []string{"permissions of /f from 0644 to 0600", "-b", "+c", " A_TOKEN=(secret)"}},
		{file.Write([]byte("A_TOKEN=y\nb\n"), 0o644), []string{"a secret in /f"}},
		{none.Write([]byte(strings.Repeat("x", 5000)+"\n"), 0o600), []string{"+" + strings.Repeat("x", maxLine-1) + "… (905 bytes more)"}},
		{file.Remove(), []string{"-A_TOKEN=(secret)", "-b"}},
		{Seen{Path: "/f", Place: swapfile.Holds(nil, 0o600)}.Remove(), []string{"remove /f, which is empty"}},
		{none.Write([]byte("b\n"), 0o600), []string{"+b"}},
		{none.Link("/t"), []string{"make link /f -> /t"}},
		{link.Link("/t"), []string{"turn link /f from /dev/null to /t"}},
		{link.Write([]byte("b\n"), 0o600), []string{"remove link /f -> /dev/null", "+b"}},
		{link.Remove(), []string{"remove link /f -> /dev/null"}},
		{none.Mkdir(0o700), []string{"make directory /f (0700)"}},
		{dir.Remove(), []string{"remove directory /f"}},
		{dir.Chmod(0o700), []string{"permissions of /f from 0755 to 0700"}},
	} {
		got := tc.edit.Diff()
		for _, want := range tc.want {
			if !strings.Contains("\n"+got, "\n"+want+"\n") {
				t.Errorf("from %v to %v: the diff lacks %q:\n%s", tc.edit.Before, tc.edit.After, want, got)
			}
		}
	}
}

// TestMasked: secrets of unit files, files of variables and plists are not shown.
func TestMasked(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Environment=A_TOKEN=planted", "Environment=\"A_KEY=planted planted\"", "Environment='MY_PASSWORD=planted \\' planted' B=1",
		"Environment=X=1 CREDENTIALS=planted", "api_key=planted", "A_SECRET=\"planted planted\"", "<key>A_TOKEN</key>\n<string>planted planted</string>",
	} {
		if got := string(masked([]byte(text))); strings.Contains(got, "planted") || !strings.Contains(got, "(secret)") {
			t.Errorf("%s: %s", text, got)
		}
	}
	const plain = "ExecStart=/bin/x --profile dev\nKillMode=mixed\nEnvironment=CODERCLAW_REGISTRY=/r.toml\nKeepAlive=1\n"
	if got := string(masked([]byte(plain))); got != plain {
		t.Errorf("%s", got)
	}
}
