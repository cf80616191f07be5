package logfile_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/logfile"
)

// TestCopyIsTakenOver: readers that follow each other on one pipe, and are ended
// at any time, store each line once.
func TestCopyIsTakenOver(t *testing.T) {
	t.Parallel()
	const lines = 50_000
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
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		defer p.Close()
		for i := range lines {
			fmt.Fprintf(p, "line %d", i)
			fmt.Fprintf(p, " ends\n")
		}
	}()
	var rest []byte
	takenOver := 0
	for done := false; !done; takenOver++ {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			rest, err = w.Copy(ctx, r, rest)
		}()
		select {
		case <-ended: // the printer has
			done = true
		case <-printed:
			<-ended
			done = true
		default:
			cancel()
			<-ended
		}
		cancel()
		if err != nil {
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
			t.Fatalf("after %d readers: %q, want %q", takenOver, line, want)
		}
		next++
	}
	if next != lines || len(rest) > 0 {
		t.Errorf("%d lines of %d, %q is left", next, lines, rest)
	}
}

// TestCopyEndsWhileNothingComes: also when it waits without a buffer.
func TestCopyEndsWhileNothingComes(t *testing.T) {
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
	for _, begun := range []string{"", "the beginning of"} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan []byte)
		go func() {
			rest, err := w.Copy(ctx, r, []byte(begun))
			if err != nil {
				t.Error(err)
			}
			ended <- rest
		}()
		cancel()
		if rest := <-ended; string(rest) != begun {
			t.Errorf("%q is left of %q", rest, begun)
		}
	}
}
