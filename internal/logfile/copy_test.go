//go:build unix

package logfile_test

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coderclaw/coderclaw/internal/logfile"
)

// TestIntakeIsTakenOver: intakes that follow each other on one pipe, and are ended
// at any time, store each line once.
func TestIntakeIsTakenOver(t *testing.T) {
	t.Parallel()
	const lines = 50_000
	var buffers logfile.Buffers
	w, err := logfile.Open(logfile.Options{Dir: t.TempDir(), Buffers: &buffers})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var printed atomic.Int64
	go func() {
		defer p.Close()
		for i := range lines {
			fmt.Fprintf(p, "line %d", i)
			fmt.Fprintf(p, " ends\n")
			printed.Add(1)
		}
	}()
	var begun []byte
	takenOver := 0
	for last := false; !last; takenOver++ {
		i := w.Intake(begun)
		calls := 0
		for range 3 { // some end between two reads, some because there is nothing
			if last, err = i.Take(r, func() bool { calls++; return calls%7 == 0 && printed.Load() < lines }); err != nil {
				t.Fatal(err)
			}
			if last {
				break
			}
		}
		if begun, err = i.End(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(w.Path())
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for line := range strings.Lines(string(text)) {
		if want := fmt.Sprintf("line %d ends\n", next); line != want {
			t.Fatalf("after %d intakes: %q, want %q", takenOver, line, want)
		}
		next++
	}
	if next != lines || len(begun) > 0 {
		t.Errorf("%d lines of %d, %q is left", next, lines, begun)
	}
}

// TestIntakeKeepsWhatItBegan: over pauses, lines that repeat are still counted as one.
func TestIntakeKeepsWhatItBegan(t *testing.T) {
	t.Parallel()
	w, err := logfile.Open(logfile.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer p.Close()
	i := w.Intake([]byte("sa"))
	for range 4 {
		if _, err := p.WriteString("me\nsa"); err != nil {
			t.Fatal(err)
		}
		if last, err := i.Take(r, func() bool { return false }); last || err != nil {
			t.Fatal(last, err)
		}
	}
	begun, err := i.End()
	if text, rerr := os.ReadFile(w.Path()); string(begun) != "sa" || err != nil || string(text) != "same\n… repeated 3 times\n" {
		t.Errorf("%q is stored and %q left, %v, %v", text, begun, err, rerr)
	}
}
