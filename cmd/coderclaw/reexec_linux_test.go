package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/internal/programtest"
)

// trio is a home in which `up` runs three profiles.
type trio struct {
	*testing.T
	bin   string // the program
	home  string
	env   []string
	ports map[string]int
	cmd   *exec.Cmd
}

func newTrio(t *testing.T, bin string) *trio {
	t.Helper()
	home := t.TempDir()
	tr := &trio{T: t, bin: bin, home: home, ports: map[string]int{}}
	var registry strings.Builder
	for _, name := range []string{"default", "dev", "rescue"} {
		port, err := freeBlock(t.Cleanup)
		if err != nil {
			t.Fatal(err)
		}
		tr.ports[name] = port
		fmt.Fprintf(&registry, "[profiles.%s]\nport = %d\n", name, port)
	}
	file := filepath.Join(home, "profiles.toml")
	if err := os.WriteFile(file, []byte(registry.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	tr.env = []string{"HOME=" + home, "CODERCLAW_REGISTRY=" + file, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + filepath.Join(home, "run")}
	tr.cmd = exec.Command(bin, "up")
	tr.cmd.Env, tr.cmd.Stderr = tr.env, t.Output()
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if tr.cmd.ProcessState == nil {
			_ = tr.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
			_ = tr.cmd.Wait()
		}
	})
	host{t, ""}.until("all are ready", func() bool { return tr.ready() })
	return tr
}

// run runs a command line of the program.
func (tr *trio) run(args ...string) (string, error) {
	cmd := exec.Command(tr.bin, args...)
	cmd.Env = tr.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (tr *trio) must(args ...string) string {
	tr.Helper()
	out, err := tr.run(args...)
	if err != nil {
		tr.Fatalf("coderclaw %v: %v\n%s", args, err, out)
	}
	return out
}

func (tr *trio) ps() (psReport, error) {
	out, err := tr.run("ps", "--json")
	var report psReport
	if err == nil {
		err = json.Unmarshal([]byte(out), &report)
	}
	if err != nil {
		err = fmt.Errorf("ps: %w: %s", err, out)
	}
	return report, err
}

func (tr *trio) ready() bool {
	report, err := tr.ps()
	for _, i := range report.Instances {
		if i.State != "ready" {
			return false
		}
	}
	return err == nil && len(report.Instances) == 3
}

func (tr *trio) token(profile string) string {
	tr.Helper()
	dir := ".coderclaw"
	if profile != "default" {
		dir += "-" + profile
	}
	return tokenIn(tr.T, filepath.Join(tr.home, dir))
}

// stay connects to a profile and goes on asking on the one connection until ctx ends.
func (tr *trio) stay(ctx context.Context, profile string) error {
	id, err := client.LoadIdentity(tr.TempDir())
	if err != nil {
		return err
	}
	c, err := client.Dial(ctx, client.Options{URL: fmt.Sprintf("ws://127.0.0.1:%d", tr.ports[profile]), Token: tr.token(profile), Identity: id,
		Scopes: []string{"operator.read"}, Timeout: 30 * time.Second})
	if err != nil {
		return err
	}
	defer c.Close()
	for ctx.Err() == nil {
		if err := c.Call(context.WithoutCancel(ctx), "health", nil, nil); err != nil {
			return fmt.Errorf("a client of %s that stays: %w", profile, err)
		}
	}
	return nil
}

// TestReexecUnderLoad: the supervisor is replaced over and over, and nobody who
// uses a gateway or looks at the supervisor notices.
func TestReexecUnderLoad(t *testing.T) {
	t.Parallel()
	times, clients := 10, 20
	if *soak {
		times = 100
	}
	tr := newTrio(t, "coderclaw")
	before, err := tr.ps()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(before.Instances[1].PID, syscall.SIGKILL); err != nil { // so that there is something to remember
		t.Fatal(err)
	}
	host{t, ""}.until("a successor of the gateway", func() bool {
		now, err := tr.ps()
		return err == nil && now.Instances[1].State == "ready" && now.Instances[1].PID != before.Instances[1].PID
	})
	if before, err = tr.ps(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var o outcome
	coming := (&supervised{oneHome: oneHome{T: t, home: tr.home, port: tr.ports["default"]}}).clients(ctx, clients, &o)
	var staying sync.WaitGroup
	for profile := range tr.ports {
		staying.Go(func() {
			if err := tr.stay(ctx, profile); err != nil {
				t.Error(err)
			}
		})
	}
	staying.Go(func() {
		for ctx.Err() == nil {
			if _, err := tr.ps(); err != nil {
				t.Error(err)
			}
		}
	})
	tr.must("supervisor", "reexec")
	open := descriptors(t, tr.cmd.Process.Pid) // of one that may be just about to open a few for itself
	for range times - 1 {
		if out := tr.must("supervisor", "reexec"); !strings.Contains(out, fmt.Sprintf("supervisor pid %d of default, dev, rescue: version", tr.cmd.Process.Pid)) {
			t.Error(out)
		}
	}
	cancel()
	staying.Wait()
	coming.Wait()
	t.Logf("%d times, %d clients: %d answered, %d refused, %d broken", times, clients, o.ok.Load(), o.refused.Load(), o.broken.Load())
	if o.refused.Load() != 0 || o.broken.Load() != 0 || o.ok.Load() == 0 {
		t.Errorf("%d answered, %d refused, %d broken", o.ok.Load(), o.refused.Load(), o.broken.Load())
	}
	host{t, ""}.until("no more descriptors than before", func() bool { return descriptors(t, tr.cmd.Process.Pid) < open+times-1 })
	after, err := tr.ps()
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Supervisors) != 1 || after.Supervisors[0].PID != tr.cmd.Process.Pid || after.Supervisors[0].Generation != times {
		t.Errorf("%+v", after.Supervisors)
	}
	born := map[int]uint64{}
	for i, now := range after.Instances {
		was := before.Instances[i]
		if now.PID != was.PID || now.State != was.State || now.Restarts != was.Restarts || now.ID != was.ID || !now.Since.Equal(was.Since) {
			t.Errorf("%+v became %+v", was, now)
		}
		if born[now.PID], err = proctable.StartTime(now.PID); err != nil {
			t.Error(err)
		}
	}
	if err := syscall.Kill(after.Instances[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	host{t, ""}.until("a successor of the gateway", func() bool {
		now, err := tr.ps()
		return err == nil && now.Instances[0].State == "ready" && now.Instances[0].PID != after.Instances[0].PID && now.Instances[0].Restarts == 1
	})
	tr.must("down")
	if err := tr.cmd.Wait(); err != nil {
		t.Errorf("the supervisor ended: %v", err)
	}
	for pid, start := range born {
		if proctable.Alive(pid, start) {
			t.Errorf("pid %d lives on", pid)
		}
	}
	for _, port := range tr.ports {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			t.Error(err)
		} else {
			l.Close()
		}
	}
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestReexecTakesTheNewFile: also one that was put in the place of the old one, but
// none that does not work.
func TestReexecTakesTheNewFile(t *testing.T) {
	t.Parallel()
	self, err := exec.LookPath("coderclaw")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "coderclaw")
	place(t, self, bin)
	tr := newTrio(t, bin)
	before, err := tr.ps()
	if err != nil {
		t.Fatal(err)
	}
	same := func() {
		t.Helper()
		now, err := tr.ps()
		if err != nil {
			t.Fatal(err)
		}
		for i, was := range before.Instances {
			if now.Instances[i].PID != was.PID || now.Instances[i].State != was.State {
				t.Errorf("%+v became %+v", was, now.Instances[i])
			}
		}
	}
	tr.bin = "coderclaw" // the file that is to be taken cannot be asked
	for _, script := range []string{"#!/bin/sh\necho it is broken\nexit 3\n", "no program"} {
		next := filepath.Join(t.TempDir(), "next")
		programtest.Write(t, next, []byte(script))
		if err := os.Rename(next, bin); err != nil {
			t.Fatal(err)
		}
		if out, err := tr.run("supervisor", "reexec"); err == nil || !strings.Contains(out, "stays as it is") {
			t.Errorf("a broken program was taken: %v: %s", err, out)
		}
		same()
	}
	place(t, self, bin)
	tr.must("supervisor", "reexec")
	same()
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", tr.cmd.Process.Pid)); err != nil || exe != bin {
		t.Errorf("it runs %s, %v", exe, err)
	}
}

// place puts a copy of the program from in the place of to. Another process copies
// it, for no program that this one starts meanwhile may have it open for writing.
func place(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", from, to+".new").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

// TestReexecOfNobody: what is asked for in vain is said.
func TestReexecOfNobody(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for _, args := range [][]string{{"supervisor", "reexec"}, {"supervisor", "reexec", "default"}} {
		cmd := exec.Command("coderclaw", args...)
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
		if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 3 {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	cmd := exec.Command("coderclaw", "up")
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "CODERCLAW_REEXEC=250"}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "unset it") {
		t.Errorf("%v: %s", err, out)
	}
}
