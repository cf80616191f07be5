package servicegen

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// stands are the states in which the place of a unit can be written to.
func stands() map[string]func(t *testing.T, path string) {
	return map[string]func(t *testing.T, path string){
		"missing":  func(*testing.T, string) {},
		"there":    func(t *testing.T, p string) { t.Helper(); write(t, p, "old") },
		"empty":    func(t *testing.T, p string) { t.Helper(); write(t, p, "") },
		"masked":   func(t *testing.T, p string) { t.Helper(); link(t, os.DevNull, p) },
		"dangling": func(t *testing.T, p string) { t.Helper(); link(t, "/nonexistent/x", p) },
		"linked": func(t *testing.T, p string) {
			t.Helper()
			real := filepath.Join(filepath.Dir(p), "real")
			write(t, real, "old")
			link(t, real, p)
		},
	}
}

// TestWriteOver writes a unit over whatever may stand there, and takes it back to
// the byte; over what was changed meanwhile it does neither.
func TestWriteOver(t *testing.T) {
	t.Parallel()
	for name, prepare := range stands() {
		path := filepath.Join(t.TempDir(), "systemd", "user", "x.service")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		prepare(t, path)
		u := Unit{Name: "x.service", Path: path, Scope: ScopeUser}
		before, seen := tree(t, filepath.Dir(path)), Observe(FormatSystemd, path)
		was, err := remember(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeOver(u, seen, []byte("new")); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		info, err := os.Stat(path)
		if text, _ := os.ReadFile(path); err != nil || info.Mode() != 0o600 || string(text) != "new" {
			t.Errorf("%s: %v, %v, %q", name, info, err, text)
		}
		if err := was.restoreOver([]byte("new"), 0o600); err != nil {
			t.Errorf("%s: back: %v", name, err)
		}
		if after := tree(t, filepath.Dir(path)); !sameTree(before, after) {
			t.Errorf("%s: back: %v, was %v", name, after, before)
		}
		// A person is faster.
		if err := errors.Join(os.RemoveAll(filepath.Dir(path)), os.MkdirAll(filepath.Dir(path), 0o700)); err != nil {
			t.Fatal(err)
		}
		write(t, path, "by hand")
		if err := writeOver(u, seen, []byte("new")); !isChanged(err) {
			t.Errorf("%s: over an edit: %v", name, err)
		}
		if err := was.restoreOver([]byte("new"), 0o600); !isChanged(err) {
			t.Errorf("%s: back over an edit: %v", name, err)
		}
		if got := tree(t, filepath.Dir(path)); len(got) != 1 || got["x.service"] != "by hand" {
			t.Errorf("%s: the edit was lost: %v", name, got)
		}
	}
}

func isChanged(err error) bool {
	_, ok := errors.AsType[*swapfile.ChangedError](err)
	return ok
}

func sameTree(a, b map[string]string) bool {
	for name, text := range a {
		if b[name] != text {
			return false
		}
	}
	return len(a) == len(b)
}

func TestWriteOverScopes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := writeOver(Unit{Name: "x", Path: dir}, Observe(FormatSystemd, dir), []byte("new")); err == nil {
		t.Error("wrote over a directory")
	}
	path := filepath.Join(dir, "x.service")
	if err := writeOver(Unit{Name: "x.service", Path: path, Scope: ScopeSystem}, Observe(FormatSystemd, path), []byte("new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("system scope: mode %v, %v", info.Mode(), err)
	}
}
