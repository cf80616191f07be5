package logfile_test

import (
	"path/filepath"
	"testing"

	"github.com/coderclaw/coderclaw/internal/logfile"
)

// TestQuietLogHasNoFile before its first line, nor when it is closed without one.
func TestQuietLogHasNoFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	for _, lines := range []string{"", "one\n"} {
		w, err := logfile.Open(logfile.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if text, n := all(t, dir); n != 0 || w.Path() != "" {
			t.Errorf("%q in %d files, writing to %q", text, n, w.Path())
		}
		if lines != "" {
			if _, err := w.Write([]byte(lines)); err != nil {
				t.Error(err)
			}
			if text, n := all(t, dir); n != 1 || text != lines || w.Path() == "" {
				t.Errorf("%q in %d files, writing to %q", text, n, w.Path())
			}
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if _, err := w.Write([]byte("late\n")); err == nil {
			t.Error("written after the end")
		}
	}
}
