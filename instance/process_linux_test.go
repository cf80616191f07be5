package instance

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// real is an instance with real processes.
type real struct {
	*testing.T
	i       *Instance
	handoff handoff.Message
	lines   chan string // what the children print
	states  chan Snapshot
}

func newReal(t *testing.T, how string, change ...func(*real)) *real {
	t.Helper()
	r := &real{T: t, states: make(chan Snapshot, 1000), lines: make(chan string, 1000)}
	for _, c := range change {
		c(r)
	}
	grace := time.Minute
	if how == "stubborn" {
		grace = 300 * time.Millisecond
	}
	f, reports := NewForker(), reportsAt(filepath.Join(t.TempDir(), "n"))
	r.i = New(Options{
		Name: "x", Reports: reports, Starter: f, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Grace: grace,
		Prepare: func(context.Context) (Launch, error) {
			return Launch{Path: os.Args[0], Args: os.Args[:1], Env: []string{childVar + "=" + how, noRaceWait}, Handoff: r.handoff}, nil
		},
		Waits: f.Waits(), Output: func(begun []byte) Intake { return &lines{begun: begun, told: func(line string) { r.lines <- line }} },
		OnChange: func(s Snapshot) { r.states <- s },
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	forking, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg, forks sync.WaitGroup
	forks.Go(func() { _ = f.Run(forking) })
	forks.Go(func() {
		if err := reports.Run(forking); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() { r.i.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		stop()
		forks.Wait()
	})
	return r
}

// lines tells each line.
type lines struct {
	begun []byte
	told  func(string)
}

func (l *lines) Take(f *os.File, _ func() bool) (last bool, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return true, err
	}
	var buf [4096]byte
	for {
		var n int
		var reading error
		if err := raw.Control(func(fd uintptr) { n, reading = unix.Read(int(fd), buf[:]) }); err != nil {
			return true, err
		}
		if reading != nil || n == 0 {
			return reading == nil, nil // what fails is tried again
		}
		l.begun = append(l.begun, buf[:n]...)
		for {
			line, rest, whole := bytes.Cut(l.begun, []byte("\n"))
			if !whole {
				break
			}
			l.told(string(line))
			l.begun = rest
		}
	}
}

func (l *lines) End() ([]byte, error) { return l.begun, nil }

// patience bounds every wait of a test for real processes, far above what any takes.
const patience = time.Minute

// ready waits for the next child that is ready.
func (r *real) ready() Snapshot {
	r.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case s := <-r.states:
			if s.State == Ready {
				return s
			}
		case <-limit.C:
			r.Fatalf("not ready: %+v", r.i.Snapshot())
		}
	}
}

// until polls for what no event tells.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit.C:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// gone waits until the process has ended.
func gone(t *testing.T, pid int, start uint64) {
	t.Helper()
	until(t, fmt.Sprintf("the end of pid %d", pid), func() bool { return !proctable.Alive(pid, start) })
}

func TestCrashAndSuccessor(t *testing.T) {
	t.Parallel()
	r := newReal(t, "plain")
	first := r.ready()
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := r.ready()
	if second.PID == first.PID || second.ID == first.ID || second.LastExit == nil || second.LastExit.Class != ClassKilled || second.LastExit.Signal != "SIGKILL" {
		t.Errorf("%+v", second)
	}
	if err := r.i.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if s := r.i.Snapshot(); s.State != Stopped || s.LastExit.Class != ClassClean {
		t.Errorf("%+v", s)
	}
}

func TestStubbornChildIsKilled(t *testing.T) {
	t.Parallel()
	r := newReal(t, "stubborn")
	s := r.ready()
	start, err := proctable.StartTime(s.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.i.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	gone(t, s.PID, start)
}

// TestFamilyDiesWithItsLeader: what a dead child leaves in its group ends with it.
func TestFamilyDiesWithItsLeader(t *testing.T) {
	t.Parallel()
	r := newReal(t, "family")
	s := r.ready()
	var pid int
	if _, err := fmt.Sscanf(<-r.lines, "descendant %d", &pid); err != nil {
		t.Fatal(err)
	}
	start, err := proctable.StartTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(t, pid, start)
	r.ready()
}

// TestChildrenDieWithTheSupervisor: it is killed, and so are they, even those that ignore SIGTERM.
func TestChildrenDieWithTheSupervisor(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{childVar + "=supervisor", noRaceWait, "INSTANCE_TEST_SOCKET=" + filepath.Join(t.TempDir(), "n")}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscanf(line, "child %d", &pid); err != nil {
		t.Fatal(err)
	}
	start, err := proctable.StartTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	gone(t, pid, start)
}

// TestRestartsLeakNothing runs alone: others would open descriptors meanwhile.
func TestRestartsLeakNothing(t *testing.T) {
	r := newReal(t, "plain")
	r.ready()
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if err := r.i.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := open()
	for range 50 {
		if err := r.i.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The output of the last ones is read to its end in the background.
	until(t, fmt.Sprintf("no more than the %d descriptors of before", before), func() bool { return open() <= before+3 })
	if s := r.i.Snapshot(); s.Restarts != 51 || s.Tries != 0 {
		t.Errorf("%+v", s)
	}
}

// TestLongHandoff: a message that the pipe does not hold, to children that read
// it and to children that are dead.
func TestLongHandoff(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"plain", "deaf"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := newReal(t, how, func(r *real) { r.handoff.Env = map[string]string{"KEY": strings.Repeat("x", 500<<10)} })
			if how == "plain" {
				r.ready()
				return
			}
			for s := range r.states {
				if s.State == BackingOff {
					break
				}
			}
			if err := r.i.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStartFailure(t *testing.T) {
	t.Parallel()
	f := NewForker()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Run(ctx) // ends with ctx
	}()
	if _, err := f.Start(t.Context(), StartSpec{Path: "/no/such/program", Args: []string{"x"}}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
	cancel()
	<-done
	if _, err := f.Start(t.Context(), StartSpec{Path: "/bin/true", Args: []string{"x"}}); err == nil {
		t.Error("forked after the end")
	}
}
