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
	serving  chan struct{} // closed when what follows is set
	door     *door         // to table; nil when that is the table of the process
	table    *table        // of Run; only for its thread

	shares bool // with the process its table of descriptors, even where that need not be
}

type forkRequest struct {
	spec  StartSpec
	files parcel          // those of spec, see opened
	done  chan forkResult // holds one
}

type forkResult struct {
	pid int
	err error
}

// NewForker returns a forker that works while Run does.
func NewForker() *Forker {
	return &Forker{requests: make(chan forkRequest), becomes: make(chan becomeRequest), ended: make(chan struct{}), serving: make(chan struct{})}
}

// Waits are what tells of the ends of children, for other waits besides.
func (f *Forker) Waits() pollset.Waiter { return &f.waits }

// Run forks until ctx ends, which is to be when no child is left. Where children
// were adopted the goroutine should be one that is locked to the first thread of the
// process, see Become, and it keeps that thread meanwhile. Otherwise another thread does
// it, with a table of descriptors of its own if the system lets it.
func (f *Forker) Run(ctx context.Context) error {
	defer close(f.ended)
	waiting := make(chan error, 1)
	go func() { waiting <- f.waits.Run(ctx) }()
	if !f.adopted.Load() && !f.shares {
		if served, err := f.serveApart(ctx, waiting); served {
			return err
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // no child is left whose death signal depends on the thread
	var err error
	if f.table, err = sharedTable(); err != nil {
		return err
	}
	return f.serve(ctx, waiting)
}

// serve does what is asked for, on the thread of f.table.
func (f *Forker) serve(ctx context.Context, waiting <-chan error) error {
	defer f.table.close()
	close(f.serving)
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
			pid, err := f.fork(r.spec, r.files)
			r.done <- forkResult{pid, err}
		case r := <-f.becomes:
			r.done <- f.become(r.image, r.files)
		}
	}
}

// Start starts one process.
func (f *Forker) Start(_ context.Context, spec StartSpec) (Process, error) {
	select {
	case <-f.serving:
	case <-f.ended:
		return nil, errEnded
	}
	files, arrived, err := f.door.send(opened(spec))
	if err != nil {
		return nil, err
	}
	defer arrived()
	r := forkRequest{spec, files, make(chan forkResult, 1)}
	select {
	case f.requests <- r:
	case <-f.ended:
		return nil, errEnded
	}
	res := <-r.done
	if res.err != nil {
		return nil, res.err
	}
	// Nobody else reaps it, so the number is still its own.
	pidfd, err := unix.PidfdOpen(res.pid, 0)
	if err != nil {
		_ = syscall.Kill(-res.pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(res.pid, nil, 0, nil)
		return nil, fmt.Errorf("this kernel has no pidfds; Linux 5.4 or later is needed: %w", err)
	}
	return f.held(res.pid, pidfd), nil
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

// opened are the files that a start takes. One that comes twice in a row, as that of both
// outputs does, is there once.
func opened(spec StartSpec) []*os.File {
	files := make([]*os.File, 0, len(spec.Files)+1)
	for i, f := range spec.Files {
		if f != nil && (i == 0 || f != spec.Files[i-1]) {
			files = append(files, f)
		}
	}
	if spec.Group != nil {
		files = append(files, spec.Group)
	}
	return files
}

// fork starts a process and returns its pid. files are those that opened names.
func (f *Forker) fork(spec StartSpec, files parcel) (int, error) {
	got, done, err := f.table.fetch(files)
	if err != nil {
		return 0, err
	}
	defer done()
	fds := make([]uintptr, len(spec.Files))
	next := 0
	for i, file := range spec.Files {
		switch {
		case file == nil:
			fds[i] = uintptr(f.table.null)
		case i > 0 && file == spec.Files[i-1]:
			fds[i] = fds[i-1]
		default:
			fds[i] = uintptr(got[next])
			next++
		}
	}
	sys := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	group := -1
	if spec.Group != nil {
		group = got[next]
		sys.UseCgroupFD, sys.CgroupFD = true, group
	}
	attr := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Env, Files: fds, Sys: sys}
	pid, err := syscall.ForkExec(spec.Path, spec.Args, attr)
	if spec.Group != nil && errors.Is(err, syscall.ENOSYS) {
		// A filter that may not look into clone3, such as systemd's RestrictNamespaces=, takes it away.
		sys.UseCgroupFD = false
		if pid, err = syscall.ForkExec(spec.Path, spec.Args, attr); err == nil {
			err = enter(group, spec.Group.Name(), pid)
		}
	}
	if err != nil && pid > 0 {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
	}
	return pid, err
}

func (f *Forker) held(pid, pidfd int) *process {
	return &process{pid: pid, pidfd: os.NewFile(uintptr(pidfd), "pidfd"), waits: &f.waits}
}

// enter moves a process that has just begun into a control group. Whatever it has
// started in the meantime stays where it is, and still belongs to its process group.
func enter(group int, name string, pid int) error {
	fd, err := unix.Openat(group, "cgroup.procs", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = unix.Write(fd, strconv.AppendInt(nil, int64(pid), 10))
		err = errors.Join(err, unix.Close(fd))
	}
	if err != nil {
		return fmt.Errorf("put pid %d into control group %s: %w", pid, name, err)
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
