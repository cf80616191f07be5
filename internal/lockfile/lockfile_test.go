package lockfile_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

// TestTryLockRefusesOtherThings: what a link in the place of a lock leads to is not
// written, and not emptied when the lock is given back.
func TestTryLockRefusesOtherThings(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links take rights there")
	}
	dir := t.TempDir()
	other, path := filepath.Join(dir, "other"), filepath.Join(dir, "l")
	if err := os.WriteFile(other, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{other, os.DevNull, filepath.Join(dir, "none"), path} {
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		if l, err := lockfile.TryLock(path); err == nil {
			t.Errorf("a link to %s was locked", target)
			l.Close()
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(other); err != nil || string(got) != "precious" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "none")); err == nil {
		t.Error("made what the link leads to")
	}
}

// TestReadContent: a file that somebody filled is not read whole.
func TestReadContent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "l")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Fatal(err)
	}
	if b, err := lockfile.ReadContent(path); err != nil || len(b) > 1<<20 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
