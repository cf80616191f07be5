package supervisor

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// process is a supervisor in a process of its own.
type process struct {
	*rig
	cmd  *exec.Cmd
	said *bufio.Reader
}

func newProcess(t *testing.T, ps []profiles.Profile) *process {
	t.Helper()
	cmd, said := startSupervisor(t, ps)
	client, _, err := control.Find(ps[0])
	if err != nil {
		t.Fatal(err)
	}
	p := &process{&rig{t: t, ps: ps, client: client}, cmd, said}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.quit()
		}
	})
	return p
}

// quit ends the supervisor in order.
func (p *process) quit() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Error(err)
	}
	for err := error(nil); err == nil; _, err = p.said.ReadString('\n') {
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the supervisor ended: %v", err)
	}
}

// swap has a successor take its place.
func (p *process) swap() control.Supervisor {
	p.t.Helper()
	before, after, err := p.client.Reexec(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	if after.PID != p.cmd.Process.Pid || after.Generation != before.Generation+1 {
		p.t.Fatalf("%+v became %+v", before, after)
	}
	return after
}

// open counts the descriptors of the supervisor.
func (p *process) open() int {
	p.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(entries)
}

// numbers checks that the log of a profile has each of n printed lines once and in order.
func numbers(t *testing.T, p profiles.Profile, n int) {
	t.Helper()
	var text []byte
	files, err := filepath.Glob(filepath.Join(p.LogDir(), "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		more, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, more...)
	}
	next := 0
	for line := range bytes.Lines(text) {
		if !bytes.Contains(line, []byte("number")) {
			continue
		}
		if want := fmt.Sprintf("number %d of %d\n", next, n); string(line) != want {
			t.Fatalf("line %q, want %q", line, want)
		}
		next++
	}
	if next != n {
		t.Errorf("%d lines of %d", next, n)
	}
}

// TestSuccessorLosesNothing: children that print all the time, and others that
// come and go meanwhile.
func TestSuccessorLosesNothing(t *testing.T) {
	t.Parallel()
	const lines = 300_000
	ps := testProfiles(t, "default", "dev", "rescue")
	if err := os.MkdirAll(ps[2].StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ps[2].ConfigPath, []byte("no config"), 0o600); err != nil { // it never starts
		t.Fatal(err)
	}
	p := newProcess(t, ps)
	first := p.until("two ready, one blocked", func(s control.Status) bool {
		return s.Instances[0].State == instance.Ready && s.Instances[1].State == instance.Ready && s.Instances[2].State == instance.Blocked
	})
	killed := first.Instances[1].PID
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	first = p.until("a successor", func(s control.Status) bool {
		return s.Instances[1].State == instance.Ready && s.Instances[1].PID != killed
	})
	printed := make(chan error, 1)
	go func() {
		_, _, err := ask(t.Context(), ps[0].Port, fmt.Sprintf("print %d", lines))
		printed <- err
	}()
	p.swap()
	before := p.open() // of one that may be just about to open a few for itself
	for range 5 {
		p.swap()
	}
	waitFor(t, "the end of connections that were answered", func() bool { return p.open() < before+5 })
	if err := <-printed; err != nil {
		t.Error(err)
	}
	st, err := p.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, now := range st.Instances {
		was := first.Instances[i]
		if now.PID != was.PID || now.State != was.State || now.Restarts != was.Restarts || now.ID != was.ID || !now.Since.Equal(was.Since) {
			t.Errorf("%+v became %+v", was, now)
		}
	}
	if !st.Started.Equal(first.Started) || st.Supervisor.ReexecError != "" {
		t.Errorf("%+v became %+v", first, st)
	}

	if err := syscall.Kill(st.Instances[1].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.swap() // whoever notices the death
	second := p.until("a successor", func(s control.Status) bool {
		return s.Instances[1].State == instance.Ready && s.Instances[1].PID != st.Instances[1].PID
	}).Instances[1]
	if second.Restarts != 2 || second.LastExit == nil || second.LastExit.Signal != "SIGKILL" {
		t.Errorf("%+v", second)
	}
	p.swap()
	if err := os.Remove(ps[2].ConfigPath); err != nil {
		t.Fatal(err)
	}
	last := p.allReady()
	born := map[int]uint64{}
	for _, i := range last.Instances {
		if born[i.PID], err = proctable.StartTime(i.PID); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.client.Stop(t.Context(), "dev"); err != nil {
		t.Error(err)
	}
	p.swap()
	if st, err := p.client.Status(t.Context()); err != nil || st.Instances[1].State != instance.Stopped || st.Instances[0].PID != first.Instances[0].PID {
		t.Errorf("%+v, %v", st, err)
	}
	p.quit()
	for pid, start := range born {
		if proctable.Alive(pid, start) {
			t.Errorf("pid %d lives on", pid)
		}
	}
	numbers(t, ps[0], lines)
	for _, pr := range ps {
		for _, name := range []string{"notify.sock", "supervisor.sock"} {
			if _, err := os.Lstat(filepath.Join(pr.StateDir, name)); err == nil {
				t.Errorf("%s of %s is left", name, pr.Name)
			}
		}
		if text, err := os.ReadFile(pr.SupervisorLock()); err != nil || len(text) > 0 {
			t.Errorf("lock: %q, %v", text, err)
		}
	}
}

// TestSuccessorAnnouncesItself as sd_notify(3) wants it.
func TestSuccessorAnnouncesItself(t *testing.T) {
	t.Parallel()
	p := newProcess(t, testProfiles(t, "default"))
	p.allReady()
	p.swap()
	for _, want := range []string{"WATCHDOG=1", "RELOADING=1", "MONOTONIC_USEC=", "READY=1"} {
		line, err := p.said.ReadString('\n')
		for err == nil && strings.HasPrefix(line, "STATUS=") {
			line, err = p.said.ReadString('\n')
		}
		if !strings.HasPrefix(line, want) {
			t.Errorf("said %q, %v; want %s", line, err, want)
		}
	}
}

// TestSuccessorOfFewer: a gateway whose profile is gone is ended, another begins.
func TestSuccessorOfFewer(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "a", "b", "c")
	p := newProcess(t, ps[:2])
	first := p.allReady()
	text, err := json.Marshal(ps[1:])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(ps[0].StateDir, nextSet), text, 0o600); err != nil {
		t.Fatal(err)
	}
	start, err := proctable.StartTime(first.Instances[0].PID)
	if err != nil {
		t.Fatal(err)
	}
	p.swap()
	now := p.allReady()
	if len(now.Instances) != 2 || now.Instances[0].Profile != "b" || now.Instances[0].PID != first.Instances[1].PID || now.Instances[1].Profile != "c" {
		t.Errorf("%+v", now.Instances)
	}
	waitFor(t, "the end of the gateway of a", func() bool { return !proctable.Alive(first.Instances[0].PID, start) })
	waitFor(t, "the lock of a", func() bool {
		l, err := takeLock(ps[0])
		if err != nil {
			return false
		}
		return l.Close() == nil
	})
	waitFor(t, "another replacement", func() bool {
		_, _, err := p.client.Reexec(t.Context())
		return err == nil
	})
}

// TestFailedSuccessor: everything goes on, and it is said why.
func TestFailedSuccessor(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default")
	r := supervise(t, ps, func(o *Options) {
		o.Args, o.Exe = []string{"x"}, "/no/such/program"
	})
	r.until("blocked", func(s control.Status) bool { return s.Instances[0].State == instance.Blocked })
	for range 2 {
		if _, _, err := r.client.Reexec(t.Context()); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
			t.Errorf("got %v", err)
		}
	}
	if err := r.client.Stop(t.Context(), "default"); err != nil {
		t.Error(err)
	}
	r.until("stopped", func(s control.Status) bool { return s.Instances[0].State == instance.Stopped })
	if _, err := takeLock(ps[0]); err == nil {
		t.Error("the lock was lost")
	}
}

// TestSuccessorIsRefused: what cannot work is not begun.
func TestSuccessorIsRefused(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default")
	r := supervise(t, ps, nil)
	r.allReady()
	if _, _, err := r.client.Reexec(t.Context()); err == nil || !strings.Contains(err.Error(), "restart it instead") {
		t.Errorf("got %v", err)
	}
	answer, _, err := ask(t.Context(), ps[0].Port, "post "+r.info.Socket+" /v1/reexec")
	if err != nil || !strings.HasSuffix(answer, " 403") {
		t.Errorf("a descendant was answered %q, %v", answer, err)
	}
}

func FuzzHandover(f *testing.F) {
	f.Add(`{"version":1,"pid":7,"units":[{"profile":{"Name":"a"},"output":-1,"instance":{"state":"blocked"}}]}`)
	f.Add(`{"version":1,"pid":7,"units":[{"profile":{"Name":"a"},"output":9,"instance":{"state":"ready","child":{"pid":8,"rest":"eA=="}}}]}`)
	f.Add(`{"version":2}`)
	f.Fuzz(func(t *testing.T, text string) {
		in, err := parseHandover([]byte(text), 7)
		if err != nil {
			return
		}
		for _, name := range in.Names() {
			_ = in.take(profiles.Profile{Name: name})
		}
		for _, u := range in.Units {
			if (u.Instance.Child != nil) != u.Instance.State.HasChild() {
				t.Errorf("%+v", u)
			}
		}
		if again, err := json.Marshal(in.handover); err != nil {
			t.Error(err)
		} else if _, err := parseHandover(again, 7); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}
