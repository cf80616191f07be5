package instance

import (
	"context"
	"os"
)

// StartSpec is one process to start. Files become descriptors 0 and up; nil is os.DevNull.
type StartSpec struct {
	Path  string
	Args  []string
	Env   []string
	Dir   string
	Files []*os.File
	Group *os.File // directory of the control group to start it in, nil for ours; Linux only
}

// Starter starts processes.
type Starter interface {
	Start(ctx context.Context, spec StartSpec) (Process, error)
}

// Process is one child process, the leader of a group of its own. Wait is to be
// called once, the other methods at any time from any goroutine.
type Process interface {
	PID() int
	// OnEnd calls fn once, on a goroutine of its own, when the process has ended, unless
	// Release comes before. It may be called again after a Release.
	OnEnd(fn func()) error
	// Wait returns when the process has ended and its group with it. Where fn of OnEnd calls
	// it, it does not wait; elsewhere it costs a thread.
	Wait() (Exit, error)
	// Signal sends a signal to the process alone. The error is os.ErrProcessDone after its end.
	Signal(os.Signal) error
	// Kill ends the whole group at once.
	Kill() error
	// Release gives up what OnEnd began, unless the process has ended: it stays a child that
	// another program may adopt, which takes the place of this one. It tells whether that is so.
	Release() (bool, error)
}
