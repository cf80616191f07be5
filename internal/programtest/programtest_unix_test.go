//go:build unix

package programtest_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/internal/programtest"
)

// TestWrite: programs run that are written while others are started.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 50 {
				program := filepath.Join(dir, fmt.Sprintf("%d-%d", i, k))
				programtest.Write(t, program, []byte("#!/bin/sh\nexit 0\n"))
				if err := exec.CommandContext(t.Context(), program).Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestHalt: a halted process does nothing, and goes on when it is told to.
func TestHalt(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "while :; do echo x; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}()
	fd := int(out.(*os.File).Fd())
	one := make([]byte, 1)
	if _, err := out.Read(one); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := programtest.Halt(t.Context(), cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if err := syscall.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		for { // what it has said before
			if _, err := syscall.Read(fd, make([]byte, 1<<16)); err != nil {
				break
			}
		}
		if n, err := syscall.Read(fd, one); n > 0 || !errors.Is(err, syscall.EAGAIN) {
			t.Fatalf("it goes on: %d, %v", n, err)
		}
		if err := errors.Join(syscall.SetNonblock(fd, false), cmd.Process.Signal(syscall.SIGCONT)); err != nil {
			t.Fatal(err)
		}
		if _, err := syscall.Read(fd, one); err != nil {
			t.Fatal(err)
		}
	}
}
