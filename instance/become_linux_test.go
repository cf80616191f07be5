package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

const (
	lineageVar  = "INSTANCE_TEST_LINEAGE"
	generations = 6
)

// lineage is what one program of becomesMain tells the next.
type lineage struct {
	Generation int
	Children   map[int]uint64 // start times by pid
	Files      map[int]string // what is in those that are handed on, by number
}

// becomesMain starts a child in each of some generations of the same process, and
// in the last one prints how each of them ends when it is killed.
func becomesMain() { OnFirstThread(becomes) }

func becomes() {
	var l lineage
	_ = json.Unmarshal([]byte(os.Getenv(lineageVar)), &l) // the first has none
	for fd, want := range l.Files {
		got := make([]byte, len(want)+1)
		if n, err := syscall.Pread(fd, got, 0); err != nil || string(got[:n]) != want {
			fmt.Println("descriptor", fd, "has", string(got[:max(0, n)]), err)
			os.Exit(1)
		}
	}
	f := NewForker()
	children := map[int]Process{}
	for pid, start := range l.Children {
		p, err := f.Adopt(pid, start)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		children[pid] = p
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		if err := l.next(f, children); err != nil {
			fmt.Println(err)
		}
	}()
	_ = f.Run(ctx)
}

func (l lineage) next(f *Forker, children map[int]Process) error {
	if l.Generation == generations {
		for _, p := range children {
			err := p.Kill()
			e, werr := p.Wait()
			fmt.Println("ended", e.Signal, errors.Join(err, werr))
		}
		return nil
	}
	p, err := f.Start(context.Background(), StartSpec{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, Env: []string{"A=b"}})
	if err != nil {
		return err
	}
	start, err := proctable.StartTime(p.PID())
	if err != nil {
		return err
	}
	children[p.PID()] = p
	next := lineage{l.Generation + 1, map[int]uint64{p.PID(): start}, map[int]string{}}
	var files []*os.File
	for i := range 20 {
		fd, err := unix.MemfdCreate("handed on", unix.MFD_CLOEXEC)
		if err != nil {
			return err
		}
		file := os.NewFile(uintptr(fd), "handed on")
		next.Files[fd] = fmt.Sprintf("%d of generation %d", i, next.Generation)
		if _, err := file.WriteString(next.Files[fd]); err != nil {
			return err
		}
		files = append(files, file)
	}
	if err := f.Become(Image{Path: "/no/such/program", Files: files}); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("became nothing: %w", err)
	}
	for pid, start := range l.Children {
		next.Children[pid] = start
	}
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	return f.Become(Image{Path: os.Args[0], Args: os.Args, Env: []string{childVar + "=becomes", noRaceWait, lineageVar + "=" + string(text)}, Files: files})
}

// TestChildrenOutliveTheProgram: none gets its death signal when the program of
// its parent is replaced, and each is waited for by the last one.
func TestChildrenOutliveTheProgram(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{childVar + "=becomes", noRaceWait}
	out, err := cmd.CombinedOutput()
	if want := strings.Repeat("ended SIGKILL <nil>\n", generations); err != nil || string(out) != want {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAdoptRefusesStrangers(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	start, err := proctable.StartTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	f := NewForker()
	if _, err := f.Adopt(pid, start+1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another start time: %v", err)
	}
	if _, err := f.Adopt(os.Getppid(), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the parent: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if _, err := f.Adopt(pid, start); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that was reaped: %v", err)
	}
}

// TestReleasedProcess: nobody is told of its end, until it is taken up again.
func TestReleasedProcess(t *testing.T) {
	t.Parallel()
	f := NewForker()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Run(ctx) // ends with ctx
	}()
	defer func() {
		cancel()
		<-done
	}()
	p, err := f.Start(t.Context(), StartSpec{Path: "/bin/sleep", Args: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 2)
	if err := p.OnEnd(func() { told <- "before" }); err != nil {
		t.Fatal(err)
	}
	if held, err := p.Release(); !held || err != nil {
		t.Fatal(held, err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	start, _ := proctable.StartTime(p.PID()) // a zombie has none
	heir, err := NewForker().Adopt(p.PID(), start)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := heir.Wait(); err != nil || e.Signal != "SIGKILL" {
		t.Errorf("%+v, %v", e, err)
	}
	if err := p.OnEnd(func() { told <- "after" }); err != nil {
		t.Error(err)
	}
	if who := <-told; who != "after" {
		t.Errorf("told %s the release", who)
	}
	if held, err := p.Release(); held || err != nil {
		t.Errorf("one that has ended is held: %v", err)
	}
	if _, err := p.Wait(); err == nil {
		t.Error("reaped twice")
	}
}

// TestEndingSignalsAreHeldBack: one that comes between two programs reaches the second.
func TestEndingSignalsAreHeldBack(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGHUP)
	defer signal.Stop(got)
	block()
	var set [2]bool
	for i := range set {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "kill -HUP $$; echo alive") // inherits the thread's mask
		out, _ := cmd.Output()                                                               // ended by the signal
		set[i] = string(out) == "alive\n"
		unblock()
	}
	if set != [2]bool{true, false} {
		t.Errorf("held back %v", set)
	}
}

// TestChildrenHoldNothingBack: what is held back from one program to the next is not
// held back from the children of that.
func TestChildrenHoldNothingBack(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, shares := range []bool{false, true} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = []string{childVar + "=successor", noRaceWait, sharesVar + "=" + strconv.FormatBool(shares)}
		block() // which it inherits, as a successor does
		out, err := cmd.CombinedOutput()
		unblock()
		name, mask, _ := strings.Cut(strings.TrimSpace(string(out)), ":")
		held, perr := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		if err := errors.Join(err, perr); err != nil || name != "SigBlk" || held&ends().Val[0] != 0 {
			t.Errorf("shares %v: %v: %s", shares, err, out)
		}
	}
}

const sharesVar = "INSTANCE_TEST_SHARES"

// successorMain starts a child that says which signals are held back from it.
func successorMain() {
	f := NewForker()
	f.shares = os.Getenv(sharesVar) == "true"
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		p, err := f.Start(ctx, StartSpec{Path: "/bin/grep", Args: []string{"grep", "SigBlk", "/proc/self/status"}, Files: []*os.File{nil, os.Stdout, os.Stderr}})
		if err == nil {
			_, err = p.Wait()
		}
		if err != nil {
			fmt.Println(err)
		}
	}()
	if err := f.Run(ctx); err != nil {
		fmt.Println(err)
	}
}

// TestOnFirstThread: it is found also by a goroutine that began elsewhere.
func TestOnFirstThread(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{childVar + "=hunts", noRaceWait}
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "found\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// huntsMain looks for the first thread from another one.
func huntsMain() {
	runtime.LockOSThread() // so that the other goroutine is on another thread
	elsewhere := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(elsewhere)
		OnFirstThread(func() {
			if syscall.Gettid() == os.Getpid() {
				fmt.Println("found")
			}
		})
		os.Exit(0)
	}()
	<-elsewhere
	runtime.UnlockOSThread()
	select {}
}
