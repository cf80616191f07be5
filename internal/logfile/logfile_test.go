package logfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/internal/logfile"
)

// all returns the content of every log file below dir, and how many there are.
func all(t *testing.T, dir string) (string, int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	return b.String(), len(files)
}

func TestNoLineIsLost(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	w, err := logfile.Open(logfile.Options{Dir: dir, MaxBytes: 10_000, Budget: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	const lines, writers = 3000, 3
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			r, p := io.Pipe()
			go func() {
				for i := range lines {
					fmt.Fprintf(p, "w%d line %d %s\n", n, i, strings.Repeat("x", i%200))
				}
				io.WriteString(p, "the end")
				p.Close()
			}()
			if _, err := w.ReadFrom(r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, files := all(t, dir)
	if n := strings.Count(got, "\n"); n != writers*(lines+1) {
		t.Errorf("%d lines, want %d", n, writers*(lines+1))
	}
	for n := range writers {
		for i := range lines {
			if want := fmt.Sprintf("w%d line %d %s\n", n, i, strings.Repeat("x", i%200)); !strings.Contains(got, want) {
				t.Fatalf("lost or torn: %q", want)
			}
		}
	}
	if files < 10 {
		t.Errorf("only %d files", files)
	}
	if _, err := w.Write([]byte("x\n")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}

func TestLongLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var seen int
	w, err := logfile.Open(logfile.Options{Dir: dir, Observe: func(b []byte) { seen += len(b) }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	long := bytes.Repeat([]byte("y"), 900_000)
	if _, err := w.ReadFrom(bytes.NewReader(append(long, '\n'))); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(w.Path()); len(got) != len(long)+1 || seen != len(got) {
		t.Errorf("%d bytes, observed %d, want %d", len(got), seen, len(long)+1)
	}
}

func TestNewDayAndPruning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.Local)
	w, err := logfile.Open(logfile.Options{Dir: dir, MaxAge: 48 * time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 5 {
		if _, err := w.Write([]byte(now.Format(time.DateOnly) + "\n")); err != nil {
			t.Fatal(err)
		}
		now = now.AddDate(0, 0, 1)
	}
	got, files := all(t, dir)
	if files != 3 || strings.Contains(got, "2030-01-01") || !strings.Contains(got, "2030-01-05") {
		t.Errorf("%d files: %q", files, got)
	}
	newest, err := logfile.Newest(dir)
	if err != nil || newest != w.Path() || filepath.Base(newest) != "coderclaw-2030-01-05.log" {
		t.Errorf("newest %s, %v; writing to %s", newest, err, w.Path())
	}
	if info, _ := os.Stat(newest); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := logfile.Newest(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty dir: %v", err)
	}
}

func TestReadFromGoesOnWhenWritingFails(t *testing.T) {
	t.Parallel()
	w, err := logfile.Open(logfile.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	r := strings.NewReader("a\nb\n")
	n, err := w.ReadFrom(r)
	if n != 4 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
}
