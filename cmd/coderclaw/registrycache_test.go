package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKnownRegistry is the same as long as the file is, and never an old one.
func TestKnownRegistry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "profiles.toml")
	a := &app{env: func(name string) (string, bool) {
		v, ok := map[string]string{"HOME": dir, "CODERCLAW_REGISTRY": path}[name]
		return v, ok
	}}
	port := func(want int) {
		t.Helper()
		r, err := a.knownRegistry()
		if err != nil {
			t.Fatal(err)
		}
		if p, err := r.Get("dev"); err != nil || p.Port != want {
			t.Errorf("dev has port %d, %v; want %d", p.Port, err, want)
		}
	}
	write := func(text string) {
		t.Helper()
		next := filepath.Join(dir, "next")
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	port(19001) // without a file
	write("[profiles.dev]\nport = 23000\n")
	port(23000)
	first, err := a.knownRegistry()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.knownRegistry(); err != nil || again != first {
		t.Error("the same file was read again", err)
	}
	write("[profiles.dev]\nport = 24000\n")
	port(24000)
	write("[profiles.dev]\nport = \n")
	if _, err := a.knownRegistry(); err == nil {
		t.Error("an invalid registry passed for the one before")
	}
	write("[profiles.dev]\nport = 25000\n")
	port(25000)
}
