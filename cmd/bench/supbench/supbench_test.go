//go:build linux

package supbench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	w := os.NewFile(uintptr(pipe[1]), "w")
	sent := []record{{at: 5, pid: 7, kind: childStarted}, {at: 1 << 40, pid: 1 << 22, kind: allReady, value: 3}}
	for _, r := range sent {
		if _, err := w.Write(r.bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := &records{fd: pipe[0]}
	defer unix.Close(pipe[0])
	for _, want := range sent {
		if got, err := r.next(t.Context()); err != nil || got != want {
			t.Errorf("got %+v and %v, want %+v", got, err, want)
		}
	}
	if _, err := r.next(t.Context()); err == nil {
		t.Error("no error at the end of the pipe")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.next(ended); err == nil {
		t.Error("no error after ctx has ended")
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	line := func(number string) string { return number + strings.Repeat(".", lineSize-1-len(number)) + "\n" }
	path := filepath.Join(t.TempDir(), "log")
	text := line("000000007") + "something else\n" + line("not a num") + line("000000012") + "000000013 torn"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []int
	if err := numbers(path, func(n int) { got = append(got, n) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != 7 || got[1] != 12 {
		t.Errorf("got %v, want 7 and 12", got)
	}
}
