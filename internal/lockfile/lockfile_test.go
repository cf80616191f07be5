package lockfile_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/coderclaw/coderclaw/internal/lockfile"
)

// holdVar makes the test binary a process that holds the named lock until its stdin ends.
const holdVar = "LOCKFILE_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdVar); path != "" {
		l, err := lockfile.TryLock(path)
		if err != nil {
			panic(err)
		}
		if err := l.SetContent([]byte("the child\n")); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("held\n")
		bufio.NewReader(os.Stdin).ReadString('\n')
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTryLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "l")
	l, err := lockfile.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetContent([]byte("pid 7\nmore")); err != nil {
		t.Fatal(err)
	}
	_, err = lockfile.TryLock(path)
	held, ok := errors.AsType[*lockfile.HeldError](err)
	if !ok || string(held.Content) != "pid 7\nmore" || held.Error() != path+" is held by pid 7" {
		t.Fatalf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || len(got) != 0 {
		t.Errorf("a closed lock left %q, %v", got, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	l, err = lockfile.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestLockDiesWithHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "l")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), holdVar+"="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	if _, err := lockfile.TryLock(path); err == nil {
		t.Error("two processes hold one lock")
	}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() {
		l, err := lockfile.Acquire(ctx, path)
		if err == nil {
			err = l.Close()
		}
		got <- err
	}()
	cmd.Process.Kill()
	cmd.Wait()
	if err := <-got; err != nil {
		t.Errorf("the lock outlived its holder: %v", err)
	}
	cancel()
}

func TestAcquireGivesUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "l")
	l, err := lockfile.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lockfile.Acquire(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := lockfile.TryLock(filepath.Join(path, "below a file")); err == nil {
		t.Error("a lock below a file")
	}
}

// TestAdopt: the lock lasts as long as any has its file open, and what is written
// about the holder is whole at all times.
func TestAdopt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "l")
	first, err := lockfile.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.SetContent([]byte("the first holder\n")); err != nil {
		t.Fatal(err)
	}
	second := lockfile.Adopt(path, first.File())
	if err := second.SetContent([]byte("the second\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "the second\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := lockfile.TryLock(path); err == nil {
		t.Error("it can be taken")
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if l, err := lockfile.TryLock(path); err != nil {
		t.Error(err)
	} else if err := l.Close(); err != nil {
		t.Error(err)
	}
}
