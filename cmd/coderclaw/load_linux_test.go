package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// supervised is a supervisor with the default profile, in a home of its own.
type supervised struct {
	oneHome
	cmd *exec.Cmd
}

func supervise(t *testing.T) *supervised {
	t.Helper()
	s := &supervised{oneHome: newHome(t)}
	s.start()
	t.Cleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have been killed
		_ = s.cmd.Wait()
	})
	return s
}

// start starts the supervisor and waits until its gateway is ready.
func (s *supervised) start() {
	s.Helper()
	s.cmd = exec.Command("coderclaw", "supervisor", "run")
	s.cmd.Env = s.env
	s.cmd.Stderr = s.Output()
	if err := s.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	host{s.T, ""}.until("the gateway is ready", func() bool { return s.pid() != 0 })
}

// pid is that of the ready gateway, 0 if there is none.
func (s *supervised) pid() int {
	s.Helper()
	cmd := exec.Command("coderclaw", "ps", "--json")
	cmd.Env = s.env
	out, _ := cmd.Output() // exit 3 before there is a supervisor
	var report psReport
	if json.Unmarshal(out, &report) != nil || len(report.Instances) == 0 || report.Instances[0].State != "ready" || len(report.Supervisors) == 0 {
		return 0
	}
	return report.Instances[0].PID
}

// outcome counts what happened to clients that connect in loops.
type outcome struct{ ok, refused, broken atomic.Int64 }

// clients connect, ask for health and leave, over and over, until ctx ends.
func (s *supervised) clients(ctx context.Context, n int, o *outcome) *sync.WaitGroup {
	token := s.token()
	url := fmt.Sprintf("ws://127.0.0.1:%d", s.port)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			id, err := client.LoadIdentity(s.TempDir())
			if err != nil {
				s.Error(err)
				return
			}
			for ctx.Err() == nil {
				err := once(ctx, client.Options{URL: url, Token: token, Identity: id, Scopes: []string{"operator.read"}, Timeout: 30 * time.Second})
				switch {
				case err == nil:
					o.ok.Add(1)
				case ctx.Err() != nil:
				case errors.Is(err, syscall.ECONNREFUSED):
					o.refused.Add(1)
				default:
					if o.broken.Add(1) <= 3 {
						s.Logf("a client broke: %v", err)
					}
				}
			}
		})
	}
	return &wg
}

// once is one client's life. A close with 1012 is how a gateway that ends
// says good-bye, and loses no answer: the client had been told to expect it.
func once(ctx context.Context, o client.Options) error {
	c, err := client.Dial(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Call(ctx, "health", nil, nil)
	if closed, ok := errors.AsType[*client.CloseError](err); ok && closed.Code == 1012 {
		return nil
	}
	return err
}

// TestPlannedRestartsUnderLoad: no client is refused, reset or left without an answer.
func TestPlannedRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	restarts, clients := 15, 10
	if *soak {
		restarts, clients = 200, 50
	}
	s := supervise(t)
	var o outcome
	ctx, cancel := context.WithCancel(t.Context())
	wg := s.clients(ctx, clients, &o)
	for range restarts {
		s.must("supervisor", "restart", "default")
	}
	cancel()
	wg.Wait()
	t.Logf("%d restarts, %d clients: %d answered, %d refused, %d broken", restarts, clients, o.ok.Load(), o.refused.Load(), o.broken.Load())
	if o.refused.Load() != 0 || o.broken.Load() != 0 || o.ok.Load() == 0 {
		t.Errorf("%d answered, %d refused, %d broken", o.ok.Load(), o.refused.Load(), o.broken.Load())
	}
}

// TestKillsUnderLoad: when a gateway dies only those break whom it had accepted.
func TestKillsUnderLoad(t *testing.T) {
	t.Parallel()
	kills, clients := 8, 10
	if *soak {
		kills, clients = 50, 50
	}
	s := supervise(t)
	var o outcome
	ctx, cancel := context.WithCancel(t.Context())
	wg := s.clients(ctx, clients, &o)
	h := host{t, ""}
	last := 0
	for ; kills > 0; kills-- {
		var pid int
		h.until("a successor is ready", func() bool { pid = s.pid(); return pid != 0 && pid != last })
		answered := o.ok.Load()
		h.until("it answers", func() bool { return o.ok.Load() > answered })
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		last = pid
	}
	h.until("a successor is ready", func() bool { pid := s.pid(); return pid != 0 && pid != last })
	cancel()
	wg.Wait()
	t.Logf("%d answered, %d refused, %d broken", o.ok.Load(), o.refused.Load(), o.broken.Load())
	if o.refused.Load() != 0 || o.ok.Load() == 0 {
		t.Errorf("%d answered, %d refused", o.ok.Load(), o.refused.Load())
	}
}

// TestSupervisorKilled: nothing of it is left, and the next start works at once.
func TestSupervisorKilled(t *testing.T) {
	t.Parallel()
	s := supervise(t)
	gateway := s.pid()
	start, err := proctable.StartTime(gateway)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	host{t, ""}.until("the gateway has gone with it", func() bool { return !proctable.Alive(gateway, start) })
	s.start()
	if got := s.pid(); got == 0 || got == gateway {
		t.Errorf("pid %d after %d", got, gateway)
	}
	if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.port)); err == nil {
		l.Close()
		t.Error("nobody holds the port")
	}
}

// TestSecretsStayOut: no process that we start has the token in its arguments or environment.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	s := supervise(t)
	for _, pid := range []int{s.cmd.Process.Pid, s.pid()} {
		for _, name := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), s.token()) {
				t.Errorf("the token is in %s of pid %d", name, pid)
			}
		}
	}
}

// TestLogsFollowAcrossRestart: a tail goes on when the gateway is replaced.
func TestLogsFollowAcrossRestart(t *testing.T) {
	t.Parallel()
	s := supervise(t)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "coderclaw", "logs", "--follow", "--interval", "20")
	cmd.Env = s.env
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // killed
	}()
	lines := bufio.NewScanner(out)
	for _, pid := range []int{s.pid(), 0} {
		want := "gateway ready"
		if pid == 0 {
			s.must("supervisor", "restart", "default")
			pid = s.pid()
		}
		for found := false; !found; {
			if !lines.Scan() {
				t.Fatalf("the tail ended before it showed %q of pid %d: %v", want, pid, lines.Err())
			}
			found = strings.Contains(lines.Text(), want) && strings.Contains(lines.Text(), fmt.Sprintf("pid=%d", pid))
		}
	}
}
