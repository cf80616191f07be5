package atomicfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
)

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, want := range []string{"one", "two"} {
		if err := atomicfile.WriteFile(path, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("mode %v, %v: the umask took part", info.Mode(), err)
	}
	onlyEntry(t, dir, "f")
}

func TestWriteVolatile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, want := range []string{"one", "two"} {
		if err := atomicfile.WriteVolatile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	onlyEntry(t, dir, "f")
}

func TestWriteFileKeepsSymlink(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	link, real := filepath.Join(dir, "link"), filepath.Join(other, "real")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.WriteFile(link, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(link); err != nil || got != real {
		t.Errorf("the link became %q, %v", got, err)
	}
	if got, _ := os.ReadFile(real); string(got) != "x" {
		t.Errorf("the target holds %q", got)
	}
}

func TestWriteFileRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{sub, loop, filepath.Join(dir, "missing", "f")} {
		if err := atomicfile.WriteFile(path, []byte("x"), 0o600); err == nil {
			t.Errorf("%s: written", path)
		}
	}
	onlyEntry(t, sub)
}

func TestWriteFileNeverTorn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	a, b := bytes.Repeat([]byte("a"), 1<<16), bytes.Repeat([]byte("b"), 1<<15)
	var wg sync.WaitGroup
	for _, data := range [][]byte{a, b} {
		wg.Go(func() {
			for range 30 {
				if err := atomicfile.WriteFile(path, data, 0o600); err != nil {
					t.Error(err)
				}
				if got, _ := os.ReadFile(path); !bytes.Equal(got, a) && !bytes.Equal(got, b) {
					t.Errorf("torn file of %d bytes", len(got))
				}
			}
		})
	}
	wg.Wait()
}

func onlyEntry(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(want) {
		t.Errorf("%s holds %v, %v; want %v", dir, entries, err, want)
	}
}

// TestWriteFails: when the content cannot be had, the old one stays and nothing is left behind.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := atomicfile.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	err := atomicfile.Write(path, 0o600, func(f *os.File) error {
		_, err := f.WriteString("half")
		return errors.Join(err, stop)
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("got %q, %v", got, err)
	}
}
