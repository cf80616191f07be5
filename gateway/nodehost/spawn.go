package nodehost

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// outputCap bounds what one command may hand on, in bytes of both streams together.
	outputCap = 200_000
	// pipeGrace is how long after the end of a command its output is waited for: what
	// it left behind may hold the other end.
	pipeGrace = 500 * time.Millisecond
)

// markName is the variable by which the processes of one command are told from all
// others, whatever groups and sessions they made for themselves.
const markName = "CODERCLAW_NODE_RUN"

// output gathers what a command writes, up to a bound that its streams share.
type output struct {
	mu        sync.Mutex // guards what follows
	left      int
	truncated bool
}

// stream is one of a command's streams.
type stream struct {
	o   *output
	buf bytes.Buffer
}

func (s *stream) Write(p []byte) (int, error) {
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	n := min(len(p), s.o.left)
	s.o.left -= n
	s.o.truncated = s.o.truncated || n < len(p)
	s.buf.Write(p[:n])
	return len(p), nil
}

// spawn runs a program to its end, or to that of its time or of ctx; nothing that it
// started is left then. No shell is involved but one that is the program.
func (t toolbox) spawn(ctx context.Context, program string, p runParams, limit time.Duration) RunResult {
	// On Linux the kernel ends the child with the thread that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	mark := uuid.NewString()
	o := &output{left: outputCap}
	stdout, stderr := &stream{o: o}, &stream{o: o}
	cmd := exec.CommandContext(ctx, program)
	cmd.Args = p.Command
	cmd.Dir = value(p.Cwd)
	cmd.Env = append(t.env(p.Env), markName+"="+mark)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = pipeGrace
	cmd.Cancel = func() error {
		killTree(cmd.Process.Pid, mark)
		return nil
	}
	var res RunResult
	if err := cmd.Start(); err != nil {
		res.Error = err.Error()
		return res
	}
	killGroup(cmd.Process.Pid)
	err := cmd.Wait()
	killRest(mark)
	o.mu.Lock() // a stream that was given up may still be written to
	defer o.mu.Unlock()
	res.Stdout, res.Stderr, res.Truncated = stdout.buf.String(), stderr.buf.String(), o.truncated
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		res.ExitCode = &code
	}
	res.TimedOut = errors.Is(ctx.Err(), context.DeadlineExceeded)
	res.Success = !res.TimedOut && value(res.ExitCode) == 0 && res.ExitCode != nil
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited && !res.TimedOut && !errors.Is(err, exec.ErrWaitDelay) {
		res.Error = err.Error()
	}
	return res
}
