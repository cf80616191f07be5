package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/profiles"
)

// appAt is an app whose home and registry lie in a directory of their own.
func appAt(t *testing.T) (*app, string) {
	t.Helper()
	home := t.TempDir()
	vars := map[string]string{"HOME": home, "CODERCLAW_REGISTRY": filepath.Join(home, "r.toml")}
	return &app{argv0: "coderclaw", stdin: strings.NewReader(""), stdout: new(bytes.Buffer), stderr: new(bytes.Buffer),
		env: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}, home
}

// names lists what lies in dir.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

// TestStageRaces: whoever loses the race for a name, at whichever step, leaves nothing behind.
func TestStageRaces(t *testing.T) {
	t.Parallel()
	for what, rival := range map[string]func(a *app, home string) error{
		"the name": func(a *app, home string) error {
			_, err := profiles.Create(t.Context(), filepath.Join(home, "r.toml"), home, "new", profiles.CreateOptions{})
			return err
		},
		"the state dir": func(_ *app, home string) error { return os.Mkdir(filepath.Join(home, ".coderclaw-new"), 0o700) },
		"the registry":  func(_ *app, home string) error { return os.Mkdir(filepath.Join(home, "r.toml"), 0o700) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			a, home := appAt(t)
			s, err := a.stage(t.Context(), "new", profiles.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := names(t, home); !strings.Contains(got, ".coderclaw-new.new-") {
				t.Errorf("while it is made: %s", got)
			}
			if err := rival(a, home); err != nil {
				t.Fatal(err)
			}
			if _, err := s.commit(t.Context()); err == nil {
				t.Error("it was made twice")
			}
			if got := names(t, home); strings.Contains(got, ".new-") {
				t.Errorf("left behind: %s", got)
			}
		})
	}
}

// TestCloneStopped: a clone that is interrupted leaves neither files nor an entry.
func TestCloneStopped(t *testing.T) {
	t.Parallel()
	a, home := appAt(t)
	p := profiles.Profile{StateDir: filepath.Join(home, ".coderclaw-dev")}
	for name, text := range map[string]string{"coderclaw.json": "{}", "workspace/a": "x"} {
		file := filepath.Join(p.StateDir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	from, err := a.openSource("dev")
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.stage(t.Context(), "new", profiles.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.clone(ctx, from, true, true, new(made)); err == nil {
		t.Error("cloned after the end")
	}
	if err := s.discard(); err != nil {
		t.Error(err)
	}
	if got := names(t, home); strings.Contains(got, "new") {
		t.Errorf("left behind: %s", got)
	}
	if _, err := os.Stat(filepath.Join(home, "r.toml")); err == nil {
		t.Error("the registry was written")
	}
}

// TestWorkspaceTooWide: a workspace that holds the state dir is not copied.
func TestWorkspaceTooWide(t *testing.T) {
	t.Parallel()
	a, home := appAt(t)
	state := filepath.Join(home, ".coderclaw-dev")
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(state, "coderclaw.json"), []byte(`{agents:{defaults:{workspace:"~/"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.openSource("dev"); err == nil || !strings.Contains(err.Error(), "holds its state dir") {
		t.Errorf("got %v", err)
	}
}

func TestByteCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536 << 10: "1.5 MiB", 1 << 62: "4.0 EiB", 1000 << 20: "1.0 GiB"} {
		if got := byteCount(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
