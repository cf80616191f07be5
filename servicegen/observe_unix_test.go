//go:build unix

package servicegen

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPipesAreNotOpened: a pipe without a writer would block for ever.
func TestPipesAreNotOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.service")
	write(t, path, "[Service]\nRestart=no\n")
	for _, d := range []string{path + ".d", filepath.Join(dir, "far")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	near, far := filepath.Join(path+".d", "10-a.conf"), filepath.Join(dir, "far", "20-b.conf")
	for _, p := range []string{near, far, filepath.Join(dir, "y.service")} {
		if err := syscall.Mkfifo(p, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link(t, os.DevNull, filepath.Join(path+".d", "30-masked.conf"))
	if o := Observe(FormatSystemd, filepath.Join(dir, "y.service")); o.State != FileSpecial {
		t.Errorf("a pipe is %s", o.State)
	}
	all := Observe(FormatSystemd, path).AllDropIns(far, near)
	if len(all) != 3 || !errors.Is(all[0].Err, errNotFile) || !errors.Is(all[1].Err, errNotFile) || all[2].Err != nil || len(all[2].Raw) != 0 {
		t.Errorf("got %+v", all)
	}
}
