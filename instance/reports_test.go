package instance

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/internal/sdnotify"
)

func reportsAt(paths ...string) *Reports { return NewReports(func() []string { return paths }) }

// reporter is a Reports that works until the end of the test, and its socket's path.
func reporter(t *testing.T) (*Reports, string) {
	t.Helper()
	r := reportsAt(filepath.Join(t.TempDir(), "n"))
	done := make(chan error, 1)
	go func() { done <- r.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	path, err := r.Ensure()
	if err != nil {
		t.Fatal(err)
	}
	return r, path
}

func say(t *testing.T, path, id string) {
	t.Helper()
	if err := sdnotify.Send(path, "READY=1", "X_CODERCLAW_INSTANCE="+id); err != nil {
		t.Fatal(err)
	}
}

func heard(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatal("a report was not heard")
	}
}

func TestReportsReachTheirInstances(t *testing.T) {
	t.Parallel()
	r, path := reporter(t)
	a, b := r.Expect("a"), r.Expect("b")
	say(t, path, "nobody")
	say(t, path, "a")
	say(t, path, "a")
	heard(t, a)
	select {
	case <-b:
		t.Error("b heard what a said")
	default:
	}
	r.Forget("a")
	say(t, path, "a")
	say(t, path, "b")
	heard(t, b)
}

// TestReportsWaitWhilePaused: for the same process, and for one that goes on.
func TestReportsWaitWhilePaused(t *testing.T) {
	t.Parallel()
	r, path := reporter(t)
	a, b := r.Expect("a"), r.Expect("b")
	r.Pause()
	say(t, path, "a")
	say(t, path, "b")
	select {
	case <-a:
		t.Error("heard while paused")
	default:
	}
	f, name, err := r.File()
	if err != nil || name != path {
		t.Fatal(name, err)
	}
	successor := reportsAt(path)
	if err := successor.Adopt(name, f); err != nil {
		t.Fatal(err)
	}
	later := successor.Expect("a")
	successor.Resume()
	heard(t, later)
	if got, err := successor.Ensure(); got != path || err != nil {
		t.Error(got, err)
	}
	successor.Pause()
	r.Resume()
	say(t, path, "b")
	heard(t, b)
}

// TestReportsMoveToAnotherPlace: a place that has gone keeps nobody from starting.
func TestReportsMoveToAnotherPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a", "n"), filepath.Join(dir, "n")
	if err := os.Mkdir(filepath.Dir(first), 0o700); err != nil {
		t.Fatal(err)
	}
	r := reportsAt(first, second)
	if got, err := r.Ensure(); got != first || err != nil {
		t.Fatal(got, err)
	}
	if err := os.RemoveAll(filepath.Dir(first)); err != nil {
		t.Fatal(err)
	}
	a := r.Expect("a")
	if got, err := r.Ensure(); got != second || err != nil {
		t.Fatal(got, err)
	}
	say(t, second, "a")
	heard(t, a)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ended); err != nil {
		t.Error(err)
	}
	if _, err := reportsAt(first).Ensure(); err == nil {
		t.Error("made where there is no directory")
	}
}

// TestReportsSocketIsMadeAnew when somebody has removed its file, and a file that
// somebody else has put there stays.
func TestReportsSocketIsMadeAnew(t *testing.T) {
	t.Parallel()
	r := reportsAt(filepath.Join(t.TempDir(), "n"))
	path, err := r.Ensure()
	if err != nil {
		t.Fatal(err)
	}
	a := r.Expect("a")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Ensure(); err != nil {
		t.Fatal(err)
	}
	say(t, path, "a")
	heard(t, a)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ended); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error("another's file is gone:", err)
	}
}
