package logfile_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/internal/logfile"
)

// used is what the files of dir hold together.
func used(t interface{ Fatal(...any) }, dir string) int64 {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // else removed meanwhile
			sum += info.Size()
		}
	}
	return sum
}

// content is the whole log, in order.
func content(t interface{ Fatal(...any) }, dir string) string {
	text, err := logfile.Tail(dir, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestBudgetHolds writes lines of all sizes over days and restarts: after each
// write the files keep the budget and hold the end of what was written, all of
// it as long as that is below the budget and much of it afterwards.
func TestBudgetHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "logfile")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		budget := int64(rapid.IntRange(400, 4000).Draw(t, "budget"))
		now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.Local)
		o := logfile.Options{Dir: dir, Budget: budget, MaxBytes: int64(rapid.IntRange(50, 5000).Draw(t, "max")), Now: func() time.Time { return now }}
		w, err := logfile.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { w.Close() }()
		var written strings.Builder
		for i := range rapid.IntRange(1, 30).Draw(t, "writes") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				now = now.Add(20 * time.Hour)
			case 1:
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if w, err = logfile.Open(o); err != nil {
					t.Fatal(err)
				}
			}
			var batch strings.Builder
			for n := range rapid.IntRange(1, 8).Draw(t, "lines") {
				fmt.Fprintf(&batch, "%d.%d %s\n", i, n, strings.Repeat("x", rapid.IntRange(0, 80).Draw(t, "length")))
			}
			if n, err := w.Write([]byte(batch.String())); n != batch.Len() || err != nil {
				t.Fatalf("wrote %d of %d bytes: %v", n, batch.Len(), err)
			}
			written.WriteString(batch.String())
			if sum := used(t, dir); sum > budget {
				t.Fatalf("%d bytes pass the budget of %d", sum, budget)
			}
			got := content(t, dir)
			if !strings.HasSuffix(written.String(), got) {
				t.Fatalf("what is kept is not the end of what was written:\n%s", got)
			}
			if written.Len() <= int(budget) && got != written.String() {
				t.Fatalf("lost lines at %d bytes below a budget of %d", written.Len(), budget)
			}
			if written.Len() > int(budget) && len(got) < int(budget/2) {
				t.Fatalf("kept only %d bytes of a budget of %d", len(got), budget)
			}
		}
	})
}

// TestBudgetWithManyWriters: several readers at once, watched by one that adds up.
func TestBudgetWithManyWriters(t *testing.T) {
	t.Parallel()
	const budget = 300_000
	dir := t.TempDir()
	w, err := logfile.Open(logfile.Options{Dir: dir, Budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 3 {
		wg.Go(func() {
			var text strings.Builder
			for i := range 4000 {
				fmt.Fprintf(&text, "w%d %d %s\n", n, i, strings.Repeat("x", i%90))
			}
			if _, err := w.ReadFrom(struct{ io.Reader }{strings.NewReader(text.String())}); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		// A listing that meets a rotation may count a file twice, so only what lies still is judged strictly.
		if sum := used(t, dir); sum > budget*5/4 {
			t.Fatalf("%d bytes", sum)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if sum := used(t, dir); sum > budget || sum < budget/2 {
		t.Errorf("%d bytes are kept, the budget is %d", sum, budget)
	}
	for line := range strings.Lines(content(t, dir)) {
		var n, i int
		if _, err := fmt.Sscanf(line, "w%d %d", &n, &i); err != nil || line != fmt.Sprintf("w%d %d %s\n", n, i, strings.Repeat("x", i%90)) {
			t.Fatalf("torn: %q", line)
		}
	}
}

func TestMoreThanTheBudgetAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := logfile.Open(logfile.Options{Dir: dir, Budget: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "line %03d\n", i)
	}
	if n, err := w.Write([]byte(text.String())); n != text.Len() || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	got := content(t, dir)
	if used(t, dir) > 1000 || len(got) < 700 || !strings.HasSuffix(text.String(), got) {
		t.Errorf("%d bytes: %q", used(t, dir), got)
	}
	long := bytes.Repeat([]byte("y"), 5000)
	if n, err := w.Write(append(long, '\n')); n != 5001 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if used(t, dir) > 1000 || strings.Contains(content(t, dir), "line") {
		t.Errorf("%d bytes", used(t, dir))
	}
}

func TestLoweredBudget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, budget := range []int64{100_000, 1000} {
		w, err := logfile.Open(logfile.Options{Dir: dir, Budget: budget})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if sum := used(t, dir); sum > budget {
			t.Errorf("%d bytes after opening with a budget of %d", sum, budget)
		}
		for i := range 500 {
			if _, err := fmt.Fprintf(w, "line %d\n", i); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, day := range []string{"2029-11-30", "2029-12-02.1", "2029-12-02", "2029-12-20"} {
		if err := os.WriteFile(filepath.Join(dir, "coderclaw-"+day+".log"), []byte(day+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(dir, "coderclaw-notes.log")
	if err := os.WriteFile(other, []byte("not ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.Local)
	w, err := logfile.Open(logfile.Options{Dir: dir, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if got := content(t, dir); got != "2029-12-02.1\n2029-12-02\n2029-12-20\n" {
		t.Errorf("after opening: %q", got)
	}
	now = now.AddDate(0, 0, 1)
	if _, err := w.Write([]byte("new\n")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, dir); got != "2029-12-20\nnew\n" {
		t.Errorf("after the day's change: %q", got)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("a file that is not of the log: %v", err)
	}
}

// TestClockSetBack: lines go on into the latest file, so that their order stays.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2030, 1, 5, 12, 0, 0, 0, time.Local)
	o := logfile.Options{Dir: dir, Now: func() time.Time { return now }}
	for _, line := range []string{"first\n", "second\n"} {
		w, err := logfile.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		now = now.AddDate(0, 0, -2)
		if _, err := w.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(t, dir); got != "first\nsecond\n" {
		t.Errorf("%q", got)
	}
}

// TestRemovedFile: a file, or the directory, that somebody removes is made again.
func TestRemovedFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	now := time.Date(2030, 1, 5, 12, 0, 0, 0, time.Local)
	w, err := logfile.Open(logfile.Options{Dir: dir, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, path := range []string{w.Path(), dir} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
		if _, err := w.Write([]byte("again\n")); err != nil {
			t.Fatal(err)
		}
		if got := content(t, dir); got != "again\n" {
			t.Errorf("without %s: %q", path, got)
		}
	}
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	if _, err := w.Write([]byte("lost\n")); err == nil {
		t.Error("no error without the parent")
	}
	if _, err := os.Stat(filepath.Dir(dir)); err == nil {
		t.Error("the parent was made again")
	}
}

// TestUnfinishedLineIsEnded: what a crash cut short does not run into the next line.
func TestUnfinishedLineIsEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "coderclaw-"+time.Now().Format(time.DateOnly)+".log")
	if err := os.WriteFile(name, []byte("cut sh"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := logfile.Open(logfile.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write([]byte("next\n")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, dir); got != "cut sh\nnext\n" {
		t.Errorf("%q", got)
	}
}
