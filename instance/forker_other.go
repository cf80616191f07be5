//go:build !linux

package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/coderclaw/coderclaw/internal/pollset"
)

// Forker starts processes. They notice by the end of the hand-off pipe that
// this process has gone.
type Forker struct{ waits pollset.Set }

// NewForker returns a forker.
func NewForker() *Forker { return &Forker{} }

// Waits are for what children print.
func (f *Forker) Waits() pollset.Waiter { return &f.waits }

// Run waits for ctx; this system needs no thread that outlives the children.
func (f *Forker) Run(ctx context.Context) error { return f.waits.Run(ctx) }

// Start starts one process.
func (f *Forker) Start(_ context.Context, spec StartSpec) (Process, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	files := slices.Clone(spec.Files)
	for i := range files {
		if files[i] == nil {
			files[i] = null
		}
	}
	p, err := os.StartProcess(spec.Path, spec.Args, &os.ProcAttr{Dir: spec.Dir, Env: spec.Env, Files: files, Sys: ownGroup()})
	if err != nil {
		return nil, err
	}
	return &process{p: p, pid: p.Pid}, nil
}

type process struct {
	p   *os.Process
	pid int

	mu     sync.Mutex // guards reaped: once it is set, pid may be somebody else's
	reaped bool
}

func (p *process) PID() int { return p.pid }

// OnEnd waits on a goroutine of its own: this system has nothing cheaper.
func (p *process) OnEnd(fn func()) error {
	go fn()
	return nil
}

func (p *process) Wait() (Exit, error) {
	state, err := p.p.Wait()
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
	if err != nil {
		return Exit{Code: -1}, err
	}
	return Exit{Code: state.ExitCode(), Signal: signalOf(state)}, nil
}

func (p *process) Signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	return p.p.Signal(sig)
}

// Image is the program that is to take the place of this one.
type Image struct {
	Path      string
	Args, Env []string
	Files     []*os.File
}

// CanBecome tells whether Become and Adopt can work on this system.
const CanBecome = false

var errNoSuccessor = fmt.Errorf("children outlive the program that started them only on Linux: %w", errors.ErrUnsupported)

// OnFirstThread calls fn.
func OnFirstThread(fn func()) { fn() }

// Become says that this system does not have it.
func (f *Forker) Become(Image) error { return errNoSuccessor }

// Adopt says that this system does not have it.
func (f *Forker) Adopt(int, uint64) (Process, error) { return nil, errNoSuccessor }

func (p *process) Release() (bool, error) { return false, errNoSuccessor }

func (p *process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	return errors.Join(killGroup(p.pid), p.p.Kill())
}
