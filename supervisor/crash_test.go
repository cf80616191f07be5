//go:build unix

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// clients keep asking a port until they are ended and count what goes wrong.
type clients struct {
	stop            context.CancelFunc
	running         sync.WaitGroup
	asked           atomic.Int64
	refused, broken atomic.Int64
}

func startClients(t *testing.T, port, n int) *clients {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &clients{stop: cancel}
	for range n {
		c.running.Go(func() {
			for ctx.Err() == nil {
				_, dialed, err := ask(ctx, port, "x")
				switch {
				case ctx.Err() != nil:
					return
				case !dialed:
					c.refused.Add(1)
				case err != nil:
					c.broken.Add(1)
				default:
					c.asked.Add(1)
				}
			}
		})
	}
	t.Cleanup(c.end)
	return c
}

func (c *clients) end() {
	c.stop()
	c.running.Wait()
}

// served waits until some more questions were answered.
func (c *clients) served(t *testing.T) {
	t.Helper()
	from := c.asked.Load()
	waitFor(t, "answers", func() bool { return c.asked.Load() > from+10 })
}

func TestKilledChildIsReplaced(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev", "rescue")
	r := supervise(t, ps, nil)
	before := r.allReady()
	c := startClients(t, ps[1].Port, 4)
	for range 3 {
		c.served(t)
		old := r.allReady().Instances[1]
		if err := syscall.Kill(old.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.until("a new child of dev", func(s control.Status) bool {
			return s.Instances[1].State == instance.Ready && s.Instances[1].PID != old.PID
		})
	}
	c.served(t)
	c.end()
	if c.refused.Load() != 0 {
		t.Errorf("%d of %d connects were refused", c.refused.Load(), c.asked.Load())
	}
	after := r.allReady()
	for _, i := range []int{0, 2} {
		if before.Instances[i].PID != after.Instances[i].PID || after.Instances[i].Restarts != 0 {
			t.Errorf("the sibling changed: %+v", after.Instances[i])
		}
	}
	dev := after.Instances[1]
	if dev.Restarts != 3 || dev.LastExit == nil || dev.LastExit.Signal != "SIGKILL" || dev.LastExit.Class != instance.ClassKilled {
		t.Errorf("dev %+v, last exit %+v", dev, dev.LastExit)
	}
}

func TestRestartLosesNothing(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "dev")
	r := supervise(t, ps, nil)
	pid := r.allReady().Instances[0].PID
	c := startClients(t, ps[0].Port, 4)
	for range 5 {
		c.served(t)
		if err := r.client.Restart(t.Context(), "dev"); err != nil {
			t.Fatal(err)
		}
		now := r.allReady().Instances[0].PID
		if now == pid {
			t.Errorf("still pid %d", pid)
		}
		pid = now
	}
	c.served(t)
	c.end()
	if c.refused.Load() != 0 || c.broken.Load() != 0 {
		t.Errorf("of %d questions %d were refused and %d broken", c.asked.Load(), c.refused.Load(), c.broken.Load())
	}
}

func TestPortThief(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev")
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	thief, err := lc.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", ps[1].Port))
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	r := supervise(t, ps, nil)
	s := r.until("dev blocked, default ready", func(s control.Status) bool {
		return s.Instances[0].State == instance.Ready && s.Instances[1].State == instance.Blocked
	})
	want := fmt.Sprintf("port %d held by pid %d supervisor.test, user ", ps[1].Port, os.Getpid())
	if got := s.Instances[1].Reason; len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("reason %q; want %q…", got, want)
	}
	thief.Close()
	if got := r.allReady(); got.Instances[0].PID != s.Instances[0].PID {
		t.Error("the sibling changed")
	}
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	r := supervise(t, testProfiles(t, "dev"), func(o *Options) { o.Exe += ".missing" })
	s := r.until("blocked", func(s control.Status) bool { return s.Instances[0].State == instance.Blocked })
	if s.Instances[0].Reason == "" || s.Instances[0].NextTry == nil {
		t.Errorf("%+v", s.Instances[0])
	}
}

func TestCheckFails(t *testing.T) {
	t.Parallel()
	r := supervise(t, testProfiles(t, "dev"), func(o *Options) {
		o.Check = func(context.Context, profiles.Profile) (Checked, error) { return Checked{}, errors.New("no registry") }
	})
	s := r.until("blocked", func(s control.Status) bool { return s.Instances[0].State == instance.Blocked })
	if s.Instances[0].Reason != "no registry" {
		t.Errorf("%+v", s.Instances[0])
	}
}
