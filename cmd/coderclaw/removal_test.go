package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/profiles/archive"
)

// emptyHome is a home with the built-in profiles and nothing else.
func emptyHome(t *testing.T, home string) *profiles.Registry {
	t.Helper()
	r, err := profiles.Load(filepath.Join(home, ".config", "coderclaw", "profiles.toml"), home)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestNoArchiveBringsStateFiles: what coderclaw keeps in a state dir, credentials and
// rules of what may run among it, cannot come as a part of the config of an archive.
func TestNoArchiveBringsStateFiles(t *testing.T) {
	t.Parallel()
	for _, k := range stateKinds {
		switch k.pattern {
		case archive.ConfigName, archive.AgentsDir, "workspace", ".*.tmp":
			continue // come along, or mean nothing to anybody
		case "gateway": // some of what lies there; see the tests of the package
			continue
		}
		if !archive.Reserved(k.pattern) {
			t.Errorf("an archive can bring %s", k.pattern)
		}
	}
}

func TestPlacesThatAreNeverRemoved(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "ann")
	r := emptyHome(t, home)
	p, err := r.Get(profiles.Default)
	if err != nil {
		t.Fatal(err)
	}
	x := remover{p: p, r: r, exe: filepath.Join(home, "bin", "coderclaw")}
	for dir, why := range map[string]string{
		"/":                                   "root of the file system",
		home:                                  "home directory",
		filepath.Dir(home):                    "home directory",
		filepath.Join(home, ".config"):        "registry",
		filepath.Join(home, "bin"):            "program",
		filepath.Join(home, ".coderclaw-dev"): "profile dev",
		filepath.Join(home, ".coderclaw-dev", "workspace"): "profile dev",
		p.StateDir:                         "",
		filepath.Join(home, "projects"):    "",
		filepath.Join(home, ".coderclaw2"): "",
	} {
		if got := x.unsafe(dir); !strings.Contains(got, why) || (got == "") != (why == "") {
			t.Errorf("%s: %q, want %q", dir, got, why)
		}
	}
	// One that is called a state dir is no exception.
	x.p.StateDir = home
	plan, err := x.data(func(string) bool { return true })
	if err != nil || len(plan) != 1 || plan[0].Action != "keep" || plan[0].do != nil {
		t.Errorf("got %+v, %v", plan, err)
	}
}

func TestCensus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range append([]string{"a\x1b[2J", "b", "c/d", ".git/HEAD"}, seeds...) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := census(dir).note(), `holds 4 files that setup did not write: .git/HEAD, "a\x1b[2J", b, …`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Whatever lies in a state dir: what is ours goes, all else stays as it was.
func TestRemovalTakesOnlyOurs(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	ours := []string{"coderclaw.json", "last-good.json", ".env", "gateway/tls/gateway-key.pem", "identity/device.json", "devices/paired.json", "nodes/paired.json", "node/127.0.0.1_1/identity/device.json", "exec-approvals.json", "exec-approvals.lock", "agents/main/sessions/x.jsonl",
		"workspace/a", "logs/l", "crashes/c", "tmp/t", "desired", "ledger.json", ".coderclaw.json.123.tmp", "setup.lock", "gateway.lock", "supervisor.lock"}
	foreign := []string{"notes.txt", "logs2", "workspace-old/a", "agents.bak", "coderclaw.json.mine", "env", "tmp.txt", "media/x", "my.lock", "canvas/index.html"}
	rapid.Check(t, func(rt *rapid.T) {
		home, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatal(err)
		}
		r := emptyHome(t, home)
		p, err := r.Get(profiles.Default)
		if err != nil {
			rt.Fatal(err)
		}
		put := func(name string) {
			path := filepath.Join(p.StateDir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				rt.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
				rt.Fatal(err)
			}
		}
		put("setup.lock") // it was used
		mine := rapid.SliceOfDistinct(rapid.SampledFrom(ours), rapid.ID[string]).Draw(rt, "ours")
		theirs := rapid.SliceOfDistinct(rapid.SampledFrom(foreign), rapid.ID[string]).Draw(rt, "foreign")
		for _, name := range append(mine, theirs...) {
			put(name)
		}
		x := remover{p: p, r: r, workspace: p.Workspace}
		plan, err := x.data(func(string) bool { return true })
		if err != nil {
			rt.Fatal(err)
		}
		for _, m := range plan {
			if !holds(p.StateDir, m.Path) {
				rt.Errorf("%s %s is outside", m.Action, m.Path)
			}
			if m.do != nil {
				if err := m.do(t.Context()); err != nil {
					rt.Error(err)
				}
			}
		}
		left := 0
		_ = filepath.WalkDir(p.StateDir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				left++
			}
			return nil
		})
		if left != len(theirs) {
			rt.Errorf("%d files are left, want %q", left, theirs)
		}
		for _, name := range theirs {
			if text, err := os.ReadFile(filepath.Join(p.StateDir, filepath.FromSlash(name))); err != nil || string(text) != name {
				rt.Errorf("%s: %q, %v", name, text, err)
			}
		}
		if _, err := os.Lstat(p.StateDir); os.IsNotExist(err) != (len(theirs) == 0) {
			rt.Errorf("the state dir: %v", err)
		}
	})
}

// TestRemovalOfWhatCameLate: a service goes on writing until it is stopped, after the
// plan was made.
func TestRemovalOfWhatCameLate(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	r := emptyHome(t, home)
	p, err := r.Get(profiles.Default)
	if err != nil {
		t.Fatal(err)
	}
	put := func(names ...string) error {
		for _, name := range names {
			if err := os.MkdirAll(p.StateDir, 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(p.StateDir, name), nil, 0o600); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range []struct {
		late []string
		left []string
		said []string
	}{
		{late: []string{"last-good.json", "gateway.lock"}, said: []string{"last-good.json"}},
		{late: []string{"last-good.json", "notes.txt"}, left: []string{"notes.txt"}, said: []string{"last-good.json", "not made by coderclaw"}},
	} {
		if err := put("coderclaw.json", "supervisor.lock"); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		a := &app{stdout: &out}
		part := removalPart{
			services: []removal{{Action: "stop", What: "service", Path: "coderclaw-gateway.service", do: func(context.Context) error { return put(c.late...) }}},
			list:     func() ([]removal, error) { return remover{p: p, r: r}.data(func(string) bool { return true }) },
			claim:    func() (func(), error) { return a.claimToRemove(p) },
		}
		if part.data, err = part.list(); err != nil {
			t.Fatal(err)
		}
		plan := removalPlan{parts: []removalPart{part}}
		if err := a.carryOut(t.Context(), plan, true); err != nil {
			t.Fatalf("%v: %v", c.late, err)
		}
		for _, want := range c.said {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: %q is not said:\n%s", c.late, want, out.String())
			}
		}
		if strings.Contains(out.String(), "gateway.lock") {
			t.Errorf("a lock of its own claim is said:\n%s", out.String())
		}
		entries, _ := os.ReadDir(p.StateDir)
		var left []string
		for _, e := range entries {
			left = append(left, e.Name())
		}
		if !slices.Equal(left, c.left) {
			t.Errorf("%v: %q is left, want %q", c.late, left, c.left)
		}
		for _, m := range plan.actions() {
			if m.do != nil && !m.Done {
				t.Errorf("%v: %s %s is not done", c.late, m.Action, m.Path)
			}
		}
	}
}
