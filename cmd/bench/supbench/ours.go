//go:build linux

package supbench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/supervisor/control"
)

// supervised is the supervisor under test in its own process.
type supervised struct {
	set     *set
	cmd     *exec.Cmd
	said    *os.File // what it logs; a pipe would have this process work at each line, on the same processors
	reports *records
	cancel  context.CancelFunc
	slots   []int // pids of the children
}

// startOurs starts a supervisor over the whole set. It returns the times from its exec to the
// first instruction of the last child, and to when all children are ready.
func startOurs(ctx context.Context, program string, s *set, sp spec) (o *supervised, started, ready time.Duration, err error) {
	sp.Profiles, sp.Registry, sp.Child = s.profiles, s.registry, s.child
	if sp.Ports, err = s.freePorts(ctx); err != nil {
		return nil, 0, 0, err
	}
	raw, err := json.Marshal(sp)
	if err != nil {
		return nil, 0, 0, err
	}
	file := filepath.Join(s.home, "spec.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return nil, 0, 0, err
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, 0, 0, fmt.Errorf("pipe for reports: %w", err)
	}
	w := os.NewFile(uintptr(pipe[1]), "reports")
	said, err := os.Create(filepath.Join(s.home, "said"))
	if err != nil {
		return nil, 0, 0, errors.Join(err, w.Close(), unix.Close(pipe[0]))
	}
	o = &supervised{set: s, said: said, reports: &records{fd: pipe[0]}}
	ctx, o.cancel = context.WithCancel(ctx)
	o.cmd = exec.CommandContext(ctx, program, SuperviseVerb, file)
	o.cmd.Env = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH")}
	o.cmd.Stdout, o.cmd.Stderr = said, said
	o.cmd.ExtraFiles = []*os.File{w}
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // the caller is locked to its thread
	o.cmd.Cancel = func() error { return o.cmd.Process.Signal(syscall.SIGTERM) }
	o.cmd.WaitDelay = patience
	begin, err := now()
	if err == nil {
		err = o.cmd.Start()
	}
	if err := errors.Join(err, w.Close()); err != nil {
		o.cancel()
		return nil, 0, 0, errors.Join(err, unix.Close(pipe[0]), said.Close())
	}
	r, err := o.reports.expect(ctx, allReady)
	if err == nil {
		started, o.slots, err = s.stamps.lastOf(ctx, len(s.profiles))
	}
	return o, started - begin, r.at - begin, err
}

// crash kills children one after the other, each when all are ready. It returns the times from
// the kill to the successor's first instruction, and to when it is ready.
func (o *supervised) crash(ctx context.Context, kills int) (first, ready []time.Duration, err error) {
	for k := range kills {
		slot := victim(k, len(o.slots))
		begin, err := now()
		if err != nil {
			return nil, nil, err
		}
		if err := syscall.Kill(o.slots[slot], syscall.SIGKILL); err != nil {
			return nil, nil, fmt.Errorf("kill pid %d: %w", o.slots[slot], err)
		}
		r, err := o.set.stamps.expect(ctx, childStarted)
		if err != nil {
			return nil, nil, fmt.Errorf("successor %d: %w", k+1, err)
		}
		o.slots[slot] = r.pid
		first = append(first, r.at-begin)
		// The supervisor reports whenever all are ready, so also before it has seen the death.
		for r.kind != allReady || r.value <= k {
			if r, err = o.reports.next(ctx); err != nil {
				return nil, nil, fmt.Errorf("readiness %d: %w", k+1, err)
			}
		}
		ready = append(ready, r.at-begin)
	}
	return first, ready, nil
}

// status returns the median time of asking for the status over the control socket.
func (o *supervised) status(ctx context.Context) (time.Duration, error) {
	client, _, err := control.Find(o.set.profiles[0])
	if err != nil {
		return 0, err
	}
	return median(ctx, func(ctx context.Context) error {
		st, err := client.Status(ctx)
		if err == nil && len(st.Instances) != len(o.slots) {
			err = fmt.Errorf("the status names %d of %d instances", len(st.Instances), len(o.slots))
		}
		return err
	})
}

// tooSlow is where a command is ended that takes that long; it then counts as having taken this.
const tooSlow = time.Second

// command returns the median time of a whole command that looks at the set.
func (s *set) command(ctx context.Context, program string, args ...string) (time.Duration, error) {
	return median(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, tooSlow)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = []string{"HOME=" + s.home, "CODERCLAW_REGISTRY=" + s.registry}
		out, err := cmd.CombinedOutput()
		if err != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("%s %v: %w\n%s", program, args, err, out)
		}
		return nil
	})
}

// iterations of what is measured often in a round, unless that takes longer than tooSlow.
const iterations = 9

func median(ctx context.Context, do func(context.Context) error) (time.Duration, error) {
	var all []time.Duration
	var sum time.Duration
	for len(all) < iterations && sum < tooSlow {
		begin := time.Now()
		if err := do(ctx); err != nil {
			return 0, err
		}
		took := time.Since(begin)
		all, sum = append(all, took), sum+took
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// stop asks the supervisor to end and returns how long that took, until it was reaped.
func (o *supervised) stop() (time.Duration, error) {
	begin := time.Now()
	if err := o.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	if err := o.cmd.Wait(); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	for _, pid := range o.slots {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			return took, fmt.Errorf("child %d has outlived the supervisor", pid)
		}
	}
	return took, nil
}

// lastWords is how much of what a supervisor has logged is shown when something fails, in bytes.
const lastWords = 4096

// close ends the supervisor if it still runs. With what went wrong comes what it last said.
func (o *supervised) close(failed error) error {
	o.cancel()
	if o.cmd.ProcessState == nil {
		_ = o.cmd.Wait() // it was told to end in the middle of something
	}
	if failed != nil {
		var said []byte
		info, err := o.said.Stat()
		if err == nil {
			said, err = io.ReadAll(io.NewSectionReader(o.said, max(0, info.Size()-lastWords), lastWords))
		}
		failed = errors.Join(fmt.Errorf("%w; the supervisor's last words:\n%s", failed, said), err)
	}
	return errors.Join(failed, o.said.Close(), unix.Close(o.reports.fd))
}
