package prochandle_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coderclaw/coderclaw/internal/prochandle"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// childVar makes the test binary a child that lives until its input ends.
const childVar = "PROCHANDLE_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVar) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// start starts a child; end lets it go and reaps it.
func start(t *testing.T) (pid int, startTime uint64, end func() *os.ProcessState) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() *os.ProcessState {
		if !ended {
			ended = true
			_ = in.Close()
			_ = cmd.Wait() // it may have been killed
		}
		return cmd.ProcessState
	}
	t.Cleanup(func() { end() })
	st, err := proctable.StartTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, st, end
}

func TestKillAndWait(t *testing.T) {
	t.Parallel()
	pid, st, end := start(t)
	h, err := prochandle.Open(pid, st)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := h.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it lives, and Wait says %v", err)
	}
	if err := h.KillGroup(); err != nil { // it leads none
		t.Error(err)
	}
	if !proctable.Alive(pid, st) {
		t.Fatal("a group that it does not lead was killed")
	}
	if err := errors.Join(h.Kill(), h.Wait(t.Context())); err != nil {
		t.Error(err)
	}
	if state := end(); state.Success() {
		t.Errorf("it ended with %v", state)
	}
	if err := errors.Join(h.Kill(), h.KillGroup(), h.Wait(t.Context())); err != nil {
		t.Errorf("after its end: %v", err)
	}
	if _, err := prochandle.Open(pid, st); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened after its end: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	pid, st, end := start(t)
	if _, err := prochandle.Open(pid, st+1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened one with another start time: %v", err)
	}
	self, err := proctable.StartTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{os.Getpid(), 1, 0, -1} {
		if _, err := prochandle.Open(pid, self); err == nil {
			t.Errorf("took hold of pid %d", pid)
		}
	}
	if state := end(); !state.Success() {
		t.Errorf("the child ended with %v", state)
	}
}
