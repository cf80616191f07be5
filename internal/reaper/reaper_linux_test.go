package reaper

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

// roleVar says what the test binary is: one that forks twice, what that leaves
// behind, or, as "reaper", the calling test in a process of its own.
const roleVar = "REAPER_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "double": // starts a process in a session of its own and ends
		spawn("stays", os.Stdin)
	case "nested": // the same, and what it starts has children in turn
		spawn("parent", os.Stdin)
	case "parent":
		spawn("stays", os.Stdin)
		announce()
	case "stays":
		announce()
	default:
		goleak.VerifyTestMain(m)
	}
}

func spawn(role string, in *os.File) {
	if err := os.Setenv(roleVar, role); err != nil { // appended to what there is, it would not count
		os.Exit(2)
	}
	_, err := os.StartProcess(os.Args[0], os.Args[:1], &os.ProcAttr{
		Files: []*os.File{in, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		os.Exit(2)
	}
}

// announce prints its pid and stays until its input ends.
func announce() {
	fmt.Println(os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// again runs the calling test in a process of its own, which may become a
// subreaper; it tells whether this is that process.
func again(t *testing.T) bool {
	t.Helper()
	if os.Getenv(roleVar) == "reaper" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), roleVar+"=reaper")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// family is what a supervisor knows of its own children.
type family struct {
	*testing.T
	r *Reaper

	mu   sync.Mutex // guards pids, around fork and reap
	pids map[int]bool
}

func newFamily(t *testing.T, list func() ([]int, error)) *family {
	t.Helper()
	f := &family{T: t, pids: map[int]bool{}}
	r, err := Start(f.own, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	if list != nil {
		r.list = list
	}
	f.r = r
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return f
}

func (f *family) own(pid int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pids[pid]
}

// start starts a child in a group of its own.
func (f *family) start(cmd *exec.Cmd) {
	f.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	f.pids[cmd.Process.Pid] = true
}

func (f *family) wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pids, cmd.Process.Pid)
	return err
}

// leave has a child leave descendants behind. It returns their pids and what keeps them.
func (f *family) leave(role string, n int) ([]int, io.Closer) {
	f.Helper()
	in, keep, err := os.Pipe()
	if err != nil {
		f.Fatal(err)
	}
	printed, out, err := os.Pipe()
	if err != nil {
		f.Fatal(err)
	}
	defer printed.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role, "GORACE=atexit_sleep_ms=0") // the race detector's wait at exit adds up
	cmd.Stdin, cmd.Stdout = in, out
	f.start(cmd)
	in.Close()
	out.Close()
	pids := make([]int, n)
	lines := bufio.NewReader(printed)
	for i := range pids {
		if _, err := fmt.Fscanln(lines, &pids[i]); err != nil {
			f.Fatal(err)
		}
	}
	if err := f.wait(cmd); err != nil {
		f.Error(err)
	}
	return pids, keep
}

// until waits for what no event tells of: that another goroutine has reaped.
func (f *family) until(what string, ok func() bool) {
	f.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit.C:
			f.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}

func (f *family) orphans() []int {
	f.Helper()
	list, err := f.r.Orphans()
	if err != nil {
		f.Fatal(err)
	}
	var pids []int
	for _, o := range list {
		if !proctable.Alive(o.PID, o.StartTime) || o.PGID != o.PID { // it leads its session
			f.Errorf("%+v", o)
		}
		pids = append(pids, o.PID)
	}
	slices.Sort(pids)
	return pids
}

func (f *family) childless() bool {
	pids, err := children()
	if err != nil {
		f.Fatal(err)
	}
	return len(pids) == 0
}

func TestOrphan(t *testing.T) {
	t.Parallel()
	if !again(t) {
		return
	}
	f := newFamily(t, nil)
	own := exec.Command("/bin/cat")
	in, err := own.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	f.start(own)
	pids, keep := f.leave("double", 1)
	if got := f.orphans(); !slices.Equal(got, pids) {
		t.Errorf("orphans %v, want %v", got, pids)
	}
	want := append([]int{own.Process.Pid}, pids...)
	slices.Sort(want)
	for name, list := range map[string]func() ([]int, error){"children": children, "by parent": childrenByParent} {
		if got, err := list(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	keep.Close() // the orphan ends
	f.until("the orphan is reaped", func() bool { got, err := children(); return err == nil && slices.Equal(got, []int{own.Process.Pid}) })
	in.Close()
	if err := f.wait(own); err != nil {
		t.Errorf("the own child: %v", err)
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	if !again(t) {
		return
	}
	f := newFamily(t, nil)
	own := exec.Command("/bin/cat")
	in, err := own.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	f.start(own)
	nested, keepNested := f.leave("nested", 2)
	defer keepNested.Close()
	kept, keep := f.leave("double", 1)
	if err := f.r.End(t.Context(), func(o Orphan) bool { return o.PID != kept[0] }); err != nil {
		t.Fatal(err)
	}
	if got := f.orphans(); !slices.Equal(got, kept) {
		t.Errorf("orphans %v, want %v", got, kept)
	}
	if err := f.r.End(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(nested, kept...) {
		if _, err := proctable.StartTime(pid); err == nil {
			t.Errorf("pid %d lives on", pid)
		}
	}
	keep.Close()
	in.Close()
	if err := f.wait(own); err != nil {
		t.Errorf("the own child: %v", err)
	}
	f.until("all are reaped", f.childless)
}

// TestNoExitIsStolen: while orphans come and go, every exit of an own child
// reaches whoever waits for it, also of tools that own knows nothing of.
func TestNoExitIsStolen(t *testing.T) {
	t.Parallel()
	if !again(t) {
		return
	}
	for name, list := range map[string]func() ([]int, error){"children": children, "by parent": childrenByParent} {
		t.Run(name, func(t *testing.T) {
			f := newFamily(t, list)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for range 60 {
						cmd := exec.Command("/bin/sh", "-c", "exit 7")
						f.start(cmd)
						check(t, "an own child", f.wait(cmd))
						tool := exec.Command("/bin/sh", "-c", "exit 7")
						check(t, "a tool", tool.Run())
					}
				})
			}
			for range 15 {
				_, keep := f.leave("double", 1)
				keep.Close()
			}
			wg.Wait()
			f.until("all are reaped", f.childless)
		})
	}
}

func check(t *testing.T, what string, err error) {
	t.Helper()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 7 {
		t.Errorf("%s: %v", what, err)
	}
}

func FuzzParsePids(f *testing.F) {
	f.Add("12 4711 \n")
	f.Add("-1")
	f.Fuzz(func(t *testing.T, text string) {
		pids, err := parsePids(text)
		if err == nil && slices.ContainsFunc(pids, func(pid int) bool { return pid <= 0 }) {
			t.Errorf("%q: got %v", text, pids)
		}
	})
}
