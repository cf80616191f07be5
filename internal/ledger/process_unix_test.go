//go:build unix

package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/internal/prochandle"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// childVar makes the test binary a process that prints a line and lives until its
// input ends; with the value "leader" it starts another first and prints its pid.
const childVar = "LEDGER_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVar) {
	case "":
		goleak.VerifyTestMain(m)
	case "leader":
		if err := os.Setenv(childVar, "member"); err != nil {
			os.Exit(2)
		}
		p, err := os.StartProcess(os.Args[0], os.Args[:1], &os.ProcAttr{Files: []*os.File{os.Stdin, nil, os.Stderr}})
		if err != nil {
			os.Exit(2)
		}
		fmt.Println(p.Pid)
	default:
		fmt.Println(0)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// start starts program as such a process in a group of its own and returns what
// the ledger is to know of it, and the pid that it printed.
func start(t *testing.T, program, how string) (Entry, int, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), childVar+"="+how)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // it may have been waited for
	})
	var printed int
	if _, err := fmt.Fscanln(bufio.NewReader(out), &printed); err != nil {
		t.Fatal(err)
	}
	e, err := Describe(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	e.Profile, e.Instance = "dev", how
	return e, printed, cmd
}

func open(t *testing.T, entries ...Entry) *Ledger {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.json")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := l.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(path) // what a successor reads
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestEnd ends a survivor with its group, and nothing else.
func TestEnd(t *testing.T) {
	t.Parallel()
	leader, member, cmd := start(t, os.Args[0], "leader")
	bystander, _, _ := start(t, os.Args[0], "bystander")
	memberStart, err := proctable.StartTime(member)
	if err != nil {
		t.Fatal(err)
	}
	memberHandle, err := prochandle.Open(member, memberStart)
	if err != nil {
		t.Fatal(err)
	}
	defer memberHandle.Close()
	reused := bystander // the number of a process that has ended was given to the bystander
	reused.StartTime--
	dead := leader
	dead.Instance, dead.PID, dead.PGID = "dead", 1<<22+1, 1<<22+1 // above the highest pid that Linux gives out
	if leader.PGID != leader.PID || leader.Exe == "" {
		t.Errorf("described as %+v", leader)
	}

	l := open(t, leader, reused, dead)
	survivors, err := l.Survivors()
	if err != nil || len(survivors) != 1 || survivors[0].PID != leader.PID {
		t.Fatalf("survivors %+v, %v", survivors, err)
	}
	left, err := l.End(t.Context(), l.Entries()) // also those that match no more do no harm
	if err != nil || len(left) != 0 {
		t.Errorf("left %+v, %v", left, err)
	}
	if err := memberHandle.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // killed
	if sys, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || sys.Signal() != syscall.SIGKILL {
		t.Errorf("the leader ended with %v", cmd.ProcessState)
	}
	if !proctable.Alive(bystander.PID, bystander.StartTime) {
		t.Error("the bystander was killed")
	}
	if survivors, err := l.Survivors(); err != nil || len(survivors) != 0 {
		t.Errorf("survivors %+v, %v", survivors, err)
	}
	if err := l.Remove(leader.Instance, reused.Instance, dead.Instance); err != nil || len(l.Entries()) != 0 {
		t.Errorf("entries %+v, %v", l.Entries(), err)
	}
}

// TestReplacedProgram: an update has replaced the file that the survivor runs.
func TestReplacedProgram(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	raw, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	// Written by another process: one that this one forks meanwhile could hold it open for writing.
	cp := exec.Command("/bin/sh", "-c", `cat > "$0" && chmod 700 "$0"`, program)
	stdin, err := cp.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cp.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = stdin.Write(raw)
	if err := errors.Join(err, stdin.Close(), cp.Wait()); err != nil {
		t.Fatal(err)
	}
	e, _, cmd := start(t, program, "old")
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	l := open(t, e)
	survivors, err := l.Survivors()
	if err != nil || len(survivors) != 1 {
		t.Fatalf("survivors %+v, %v", survivors, err)
	}
	if left, err := l.End(t.Context(), survivors); err != nil || len(left) != 0 {
		t.Errorf("left %+v, %v", left, err)
	}
	_ = cmd.Wait() // killed
}

// TestOnlyAFullMatch: whatever single thing differs, the process is not taken for
// the one that was written down, and End leaves it alone.
func TestOnlyAFullMatch(t *testing.T) {
	t.Parallel()
	real, _, _ := start(t, os.Args[0], "bystander")
	l := open(t)
	rapid.Check(t, func(rt *rapid.T) {
		e := real
		differ := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"start", "boot", "exe"}), 1, 3, rapid.ID).Draw(rt, "what differs")
		for _, what := range differ {
			switch what {
			case "start":
				e.StartTime = rapid.Uint64Min(1).Filter(func(n uint64) bool { return n != real.StartTime }).Draw(rt, "start time")
			case "boot":
				e.BootID = rapid.StringMatching(`[0-9a-f-]{1,36}`).Filter(func(s string) bool { return s != real.BootID }).Draw(rt, "boot")
			case "exe":
				e.Exe = rapid.OneOf(rapid.Just(real.Exe+" (deleted)"), rapid.Just(filepath.Base(real.Exe)), rapid.StringMatching(`/[a-z]{1,9}`)).Draw(rt, "exe")
			}
		}
		boot, err := bootID()
		if err != nil {
			rt.Fatal(err)
		}
		if e.matches(boot) {
			rt.Errorf("matched %+v", e)
		}
		if left, err := l.End(t.Context(), []Entry{e}); err != nil || len(left) != 0 {
			rt.Errorf("left %+v, %v", left, err)
		}
		if !real.matches(boot) {
			rt.Fatal("it was killed")
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := Describe(cmd.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dead process: %v", err)
	}
	e, err := Describe(os.Getpid())
	if err != nil || e.PID != os.Getpid() || e.BootID == "" || e.StartTime == 0 || e.PGID != syscall.Getpgrp() {
		t.Errorf("got %+v, %v", e, err)
	}
	e.Instance = "self"
	if left, err := open(t).End(t.Context(), []Entry{e}); err == nil || len(left) != 1 {
		t.Errorf("ended itself: %v, %v", left, err)
	}
}
