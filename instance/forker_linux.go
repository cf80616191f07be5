package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/pollset"
)

// Forker starts processes that die when this one does. The kernel sends their
// death signal when the thread ends that forked them, so all forks happen on
// one thread, which lives as long as Run.
type Forker struct {
	requests chan forkRequest
	becomes  chan becomeRequest
	ended    chan struct{}
	adopted  atomic.Bool // some children are the first thread's
	waits    pollset.Set
	null     *os.File // of Run
}

type forkRequest struct {
	spec StartSpec
	done chan forkResult // holds one
}

type forkResult struct {
	p   *process
	err error
}

// NewForker returns a forker that works while Run does.
func NewForker() *Forker {
	return &Forker{requests: make(chan forkRequest), becomes: make(chan becomeRequest), ended: make(chan struct{})}
}

// Waits are what tells of the ends of children, for other waits besides.
func (f *Forker) Waits() pollset.Waiter { return &f.waits }

// Run forks until ctx ends, which is to be when no child is left. The goroutine
// keeps its thread meanwhile. Where children were adopted it should be one that is
// locked to the first thread of the process: see Become.
func (f *Forker) Run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // no child is left whose death signal depends on the thread
	defer close(f.ended)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	f.null = null
	waiting := make(chan error, 1)
	go func() { waiting <- f.waits.Run(ctx) }()
	if f.adopted.Load() {
		unblock() // what the predecessor held back for us, for children inherit it
	}
	for {
		select {
		case <-ctx.Done():
			return <-waiting
		case err := <-waiting:
			if ctx.Err() == nil {
				return fmt.Errorf("the ends of children cannot be waited for: %w", err)
			}
			return err
		case r := <-f.requests:
			p, err := f.fork(r.spec)
			r.done <- forkResult{p, err}
		case r := <-f.becomes:
			r.done <- f.become(r.image)
		}
	}
}

// Start starts one process.
func (f *Forker) Start(_ context.Context, spec StartSpec) (Process, error) {
	r := forkRequest{spec, make(chan forkResult, 1)}
	select {
	case f.requests <- r:
	case <-f.ended:
		return nil, errEnded
	}
	res := <-r.done
	if res.err != nil {
		return nil, res.err
	}
	return res.p, nil
}

// process is a child that is waited for through its pidfd, which costs no thread.
type process struct {
	pid   int
	pidfd *os.File // not in the runtime's poller
	waits *pollset.Set

	mu     sync.Mutex // guards what follows
	reaped bool       // pid may be somebody else's
	cancel func() bool
}

func (f *Forker) fork(spec StartSpec) (*process, error) {
	fds := make([]uintptr, len(spec.Files))
	for i, file := range spec.Files {
		if file == nil {
			file = f.null
		}
		raw, err := file.SyscallConn() // unlike Fd, it leaves the descriptor non-blocking
		if err != nil {
			return nil, err
		}
		if err := raw.Control(func(fd uintptr) { fds[i] = fd }); err != nil {
			return nil, err
		}
	}
	pidfd := -1
	sys := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM, PidFD: &pidfd}
	if spec.Group != nil {
		sys.UseCgroupFD, sys.CgroupFD = true, int(spec.Group.Fd())
	}
	attr := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Env, Files: fds, Sys: sys}
	pid, err := syscall.ForkExec(spec.Path, spec.Args, attr)
	moved := false
	if spec.Group != nil && errors.Is(err, syscall.ENOSYS) {
		// A filter that may not look into clone3, such as systemd's RestrictNamespaces=, takes it away.
		sys.UseCgroupFD, moved = false, true
		pid, err = syscall.ForkExec(spec.Path, spec.Args, attr)
	}
	if err == nil && moved {
		err = enter(spec.Group, pid)
	}
	runtime.KeepAlive(spec)
	if err != nil {
		if pid > 0 {
			_ = syscall.Kill(-pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
		if pidfd >= 0 {
			_ = unix.Close(pidfd)
		}
		return nil, err
	}
	if pidfd < 0 {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return nil, errors.New("this kernel has no pidfds; Linux 5.4 or later is needed")
	}
	return f.held(pid, pidfd), nil
}

func (f *Forker) held(pid, pidfd int) *process {
	return &process{pid: pid, pidfd: os.NewFile(uintptr(pidfd), "pidfd"), waits: &f.waits}
}

// enter moves a process that has just begun into a control group. Whatever it has
// started in the meantime stays where it is, and still belongs to its process group.
func enter(group *os.File, pid int) error {
	fd, err := unix.Openat(int(group.Fd()), "cgroup.procs", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = unix.Write(fd, strconv.AppendInt(nil, int64(pid), 10))
		err = errors.Join(err, unix.Close(fd))
	}
	if err != nil {
		return fmt.Errorf("put pid %d into control group %s: %w", pid, group.Name(), err)
	}
	return nil
}

func (p *process) PID() int { return p.pid }

// OnEnd waits for the process to be a zombie.
func (p *process) OnEnd(fn func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	cancel, err := p.waits.Await(p.pidfd, fn)
	if err != nil {
		return fmt.Errorf("wait for pid %d: %w", p.pid, err)
	}
	p.cancel = cancel
	return nil
}

// Release gives up the wait.
func (p *process) Release() (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cancel != nil && p.cancel(), nil
}

// Wait waits until the process is a zombie, ends the rest of its group while the
// zombie still holds the group's number, and only then reaps it.
func (p *process) Wait() (Exit, error) {
	err := ignoringEINTR(func() error { return unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) })
	if err != nil {
		return Exit{Code: -1}, fmt.Errorf("wait for pid %d: %w", p.pid, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // the zombie itself is beyond it
	var status syscall.WaitStatus
	err = ignoringEINTR(func() error {
		_, err := syscall.Wait4(p.pid, &status, 0, nil)
		return err
	})
	p.reaped = true
	_ = p.pidfd.Close()
	if err != nil {
		return Exit{Code: -1}, fmt.Errorf("reap pid %d: %w", p.pid, err)
	}
	if status.Signaled() {
		return Exit{Code: -1, Signal: unix.SignalName(status.Signal())}, nil
	}
	return Exit{Code: status.ExitStatus()}, nil
}

func ignoringEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func (p *process) Signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("signal %v: %w", sig, errors.ErrUnsupported)
	}
	return p.send(p.pid, s)
}

func (p *process) Kill() error { return p.send(-p.pid, syscall.SIGKILL) }

// send signals the process or its group, as long as they cannot be anybody else's.
func (p *process) send(to int, s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	return syscall.Kill(to, s)
}
