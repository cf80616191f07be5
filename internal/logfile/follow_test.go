package logfile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/internal/logfile"
)

// TestTailIsTheEnd compares Tail with the whole log, for all sizes of files and limits.
func TestTailIsTheEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "logfile")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		w, err := logfile.Open(logfile.Options{Dir: dir, MaxBytes: int64(rapid.IntRange(20, 400).Draw(t, "max"))})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		var whole strings.Builder
		for i := range rapid.IntRange(0, 40).Draw(t, "lines") {
			line := fmt.Sprintf("%d %s\n", i, strings.Repeat("x", rapid.IntRange(0, 40).Draw(t, "length")))
			whole.WriteString(line)
			if _, err := w.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
		limit := rapid.IntRange(1, 2000).Draw(t, "limit")
		got, err := logfile.Tail(dir, int64(limit))
		if err != nil {
			t.Fatal(err)
		}
		want := whole.String()
		for len(want) > limit {
			_, rest, _ := strings.Cut(want, "\n")
			if rest == "" { // the last line alone is longer
				want = want[len(want)-limit:]
				break
			}
			want = rest
		}
		if string(got) != want {
			t.Fatalf("limit %d: got %q, want %q", limit, got, want)
		}
	})
}

func TestTailOfNothing(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if text, err := logfile.Tail(dir, 100); len(text) != 0 || err != nil {
			t.Errorf("%q, %v", text, err)
		}
	}
}

// collect follows dir until it has seen a line that says "end".
func collect(ctx context.Context, follow func(ctx context.Context, fn func([]byte) error) error) (string, error) {
	var got strings.Builder
	done := errors.New("done")
	err := follow(ctx, func(batch []byte) error {
		got.Write(batch)
		if strings.HasSuffix(got.String(), "end\n") {
			return done
		}
		return nil
	})
	if errors.Is(err, done) {
		err = nil
	}
	return got.String(), err
}

// TestFollow writes faster than one file lasts, over days and a restart of the
// writer, into a directory that did not exist when the follower began: it sees
// each line once, in order.
func TestFollow(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state", "logs")
	type result struct {
		text string
		err  error
	}
	results := make(chan result)
	for range 2 {
		go func() {
			text, err := collect(t.Context(), func(ctx context.Context, fn func([]byte) error) error { return logfile.Follow(ctx, dir, 10, fn) })
			results <- result{text, err}
		}()
	}
	var clock atomic.Int64
	start := time.Now()
	o := logfile.Options{Dir: dir, MaxBytes: 20_000, Now: func() time.Time { return start.Add(time.Duration(clock.Load())) }}
	w, err := logfile.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range 30_000 {
		line := fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", i%70))
		switch i % 4000 {
		case 1500:
			clock.Add(int64(24 * time.Hour))
		case 3000:
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if w, err = logfile.Open(o); err != nil {
				t.Fatal(err)
			}
		}
		want.WriteString(line)
		if _, err := w.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	want.WriteString("end\n")
	if _, err := w.Write([]byte("end\n")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got := <-results
		if got.err != nil {
			t.Fatal(got.err)
		}
		if got.text == "" || !strings.HasSuffix(want.String(), got.text) {
			t.Errorf("%d bytes are not the end of the %d written", len(got.text), want.Len())
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := collect(t.Context(), func(ctx context.Context, fn func([]byte) error) error { return logfile.Follow(ctx, dir, 1_000_000, fn) })
	if err != nil || text != want.String() {
		t.Errorf("%d bytes of %d, %v", len(text), want.Len(), err)
	}
}

// TestFollowFromTheLastLines begins with n lines, wherever files begin.
func TestFollowFromTheLastLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := logfile.Open(logfile.Options{Dir: dir, MaxBytes: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i := range 40 {
		if _, err := fmt.Fprintf(w, "line %d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n < 45; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		var got strings.Builder
		err := logfile.Follow(ctx, dir, n, func(batch []byte) error {
			got.Write(batch)
			if strings.HasSuffix(got.String(), "line 39\n") {
				cancel()
			}
			return nil
		})
		cancel()
		if lines := strings.Count(got.String(), "\n"); lines != min(n, 40) || !errors.Is(err, context.Canceled) {
			t.Errorf("%d lines for %d, %v", lines, n, err)
		}
	}
}

// TestResume: what Last returned and what Resume goes on with is the whole log,
// also when the file was put aside in between, or is gone.
func TestResume(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		between int // lines written before Resume is called
		remove  bool
	}{
		"at once":                     {},
		"with a few lines more":       {between: 3},
		"in a file put aside":         {between: 60},
		"in a file that is gone":      {between: 60, remove: true},
		"in a file that is gone soon": {between: 3, remove: true},
	} {
		dir := t.TempDir()
		w, err := logfile.Open(logfile.Options{Dir: dir, MaxBytes: 200})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		var whole strings.Builder
		write := func(line string) {
			whole.WriteString(line)
			if _, err := w.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 50 {
			write(fmt.Sprintf("line %d\n", i))
		}
		text, mark, err := logfile.Last(dir, 1<<20)
		if err != nil || string(text) != whole.String() {
			t.Fatalf("%s: %q, %v", name, text, err)
		}
		marked := w.Path()
		info, err := os.Stat(marked)
		if err != nil {
			t.Fatal(err)
		}
		skip := whole.Len()
		for i := range tc.between {
			write(fmt.Sprintf("later %d\n", i))
		}
		if tc.remove {
			files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
			for _, f := range files {
				if other, err := os.Stat(f); err == nil && os.SameFile(other, info) {
					text, err := os.ReadFile(f)
					if err != nil {
						t.Fatal(err)
					}
					skip += len(text) - int(info.Size())
					if err := os.Remove(f); err != nil {
						t.Fatal(err)
					}
				}
			}
			if tc.between < 10 {
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if w, err = logfile.Open(logfile.Options{Dir: dir, MaxBytes: 200}); err != nil {
					t.Fatal(err)
				}
			}
		}
		write("end\n")
		got, err := collect(t.Context(), func(ctx context.Context, fn func([]byte) error) error { return logfile.Resume(ctx, dir, mark, fn) })
		if err != nil || got != whole.String()[skip:] {
			t.Errorf("%s: got %q, want %q, %v", name, got, whole.String()[skip:], err)
		}
	}
}

func TestMarkAt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := logfile.Open(logfile.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write([]byte("one\nend\n")); err != nil {
		t.Fatal(err)
	}
	mark, err := logfile.MarkAt(w.Path(), 4)
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(t.Context(), func(ctx context.Context, fn func([]byte) error) error { return logfile.Resume(ctx, dir, mark, fn) })
	if got != "end\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, path := range []string{filepath.Join(dir, "other.log"), filepath.Join(t.TempDir(), "none", filepath.Base(w.Path()))} {
		if _, err := logfile.MarkAt(path, 0); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := logfile.MarkAt(w.Path(), 9); err == nil {
		t.Error("a place beyond the end")
	}
}

// TestFollowEnds: with its context, and with the error of who listens.
func TestFollowEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if err := logfile.Follow(ctx, dir, 0, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// TestFollowLines: unfinished and very long lines, and a file that is emptied.
func TestFollowLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := os.OpenFile(filepath.Join(dir, "coderclaw-2030-01-02.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	add := func(text string) {
		if _, err := f.WriteString(text); err != nil {
			t.Error(err)
		}
	}
	long := strings.Repeat("y", 900_000)
	add("one\ntwo, and")
	ended := errors.New("ended")
	steps := []struct {
		want string
		then func()
	}{
		{"one\n", func() { add(" done\n") }},
		{"two, and done\n", func() { add(long + "\n") }},
		{long + "\n", func() {
			if err := f.Truncate(0); err != nil {
				t.Error(err)
			}
			add("anew\n")
		}},
		{"anew\n", nil},
	}
	got := ""
	err = logfile.Follow(t.Context(), dir, 9, func(batch []byte) error {
		if got += string(batch); got != steps[0].want {
			if len(got) > len(steps[0].want) {
				return fmt.Errorf("got %.100q, want %.100q", got, steps[0].want)
			}
			return nil
		}
		if steps[0].then == nil {
			return ended
		}
		steps[0].then()
		steps, got = steps[1:], ""
		return nil
	})
	if !errors.Is(err, ended) {
		t.Error(err)
	}
}
