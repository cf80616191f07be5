//go:build unix

package confine

import (
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"abs": filepath.Join(dir, "a"), "rel": "a/b", "up": "rel/../../a", "chain": "up", "loop": "loop", "gone": "no/such", "a/back": ".."} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	var r resolver
	for path, want := range map[string]string{
		"a/b": "a/b", "abs/b": "a/b", "rel": "a/b", "up/b": "a/b", "chain/b/new/file": "a/b/new/file", "gone": "no/such",
		"gone/x": "no/such/x", "a/back/a/back/rel": "a/b", "": "", "missing/..": "",
	} {
		if got := r.resolve(filepath.Join(dir, path)); got != filepath.Join(dir, want) {
			t.Errorf("%s leads to %s; want %s", path, got, want)
		}
	}
	r.resolve(filepath.Join(dir, "loop")) // comes back
	// What exists leads where the system says.
	rapid.Check(t, func(t *rapid.T) {
		path := dir
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "abs", "rel", "up", "chain", "gone", "back"}), 0, 6).Draw(t, "path") {
			path += "/" + name
		}
		want, err := filepath.EvalSymlinks(path)
		if got := r.resolve(path); err == nil && got != want {
			t.Fatalf("%s leads to %s; want %s", path, got, want)
		}
	})
}
