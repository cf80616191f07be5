package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

const (
	// doctorGrace is how long a doctor that was asked to end may go on: a step of a
	// repair is a change of a file, or a request to the service manager that ends with it.
	doctorGrace = 2 * time.Second
	// doctorTail is how long something that outlives doctor may go on printing.
	doctorTail = time.Second
)

// doctorRun is one process that runs doctor, and the pipes to it.
type doctorRun struct {
	proc     instance.Process
	out, err *os.File
	vars     *os.File // nil when no variables are handed over
	message  []byte
}

// doctorArgs is the command line that looks at a profile, or mends it.
func doctorArgs(exe, profile string, repair bool) []string {
	args := []string{exe, "--profile", profile, "doctor", "--non-interactive", "--json"}
	if repair {
		args = append(args, "--repair", "--yes")
	}
	return args
}

// doctorEnv is the environment of doctor: that of a gateway, and what it needs to
// find the registry, the service files and their manager.
func doctorEnv(environ []string, registry string) []string {
	env := Environ(environ)
	for _, name := range []string{"CODERCLAW_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DBUS_SYSTEM_BUS_ADDRESS"} {
		if value, ok := lookup(environ, name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, "CODERCLAW_REGISTRY="+registry)
}

// lookup reads a variable; where it stands twice the last one counts.
func lookup(environ []string, name string) (value string, ok bool) {
	for _, kv := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// startDoctor starts it as a child of ours, in a group of its own and outside of any isolation.
func (s *Supervisor) startDoctor(profile string, repair bool) (_ *doctorRun, err error) {
	run := &doctorRun{}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close() // a duplicate lives on in the child, or nobody needs it
		}
		if err != nil {
			err = errors.Join(err, run.close())
		}
	}()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	theirs = append(theirs, null)
	for _, ours := range []**os.File{&run.out, &run.err} {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		*ours, theirs = r, append(theirs, w)
		_ = w.Fd() // makes the end that doctor writes to a blocking one, as programs expect
	}
	env := doctorEnv(s.o.Environ, s.o.RegistryPath)
	var vars map[string]string
	if s.o.PassEnv != nil {
		vars = s.o.PassEnv(profile) // without these it would find fault with a config that is good
	}
	if len(vars) > 0 {
		if run.message, err = handoff.Encode(handoff.Message{Profile: profile, Env: vars}); err != nil {
			return nil, err
		}
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		run.vars = w
		env = append(env, handoff.EnvVarsFD+"="+strconv.Itoa(len(theirs)))
		theirs = append(theirs, r)
	}
	run.proc, err = s.trees.startTool(context.Background(), instance.StartSpec{
		Path: s.o.Exe, Args: doctorArgs(s.o.Exe, profile, repair), Env: env, Files: theirs,
	})
	return run, err
}

func (run *doctorRun) close() error {
	var errs []error
	for _, f := range []*os.File{run.out, run.err, run.vars} {
		if f == nil {
			continue
		}
		if err := f.Close(); !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// follow hands what doctor prints to tell, line by line from this goroutine, and
// returns how it ended. One that takes longer than control.DoctorTime, or than
// ending is open, is made to end.
func (run *doctorRun) follow(ending <-chan struct{}, tell func(control.DoctorOut)) (exit int, err error) {
	lines := make(chan control.DoctorOut)
	exited := make(chan error, 1)
	var readers, all sync.WaitGroup
	readers.Go(func() { readLines(run.out, control.Stdout, lines) })
	readers.Go(func() { readLines(run.err, control.Stderr, lines) })
	all.Go(func() {
		readers.Wait()
		close(lines)
	})
	all.Go(func() {
		if run.vars != nil {
			_, _ = run.vars.Write(run.message) // one that has died reads nothing, and its exit says more
			_ = run.vars.Close()
		}
	})
	exit = -1
	all.Go(func() {
		e, err := run.proc.Wait()
		exit = e.Code
		exited <- err
	})
	left := control.DoctorOutput
	limit := time.NewTimer(control.DoctorTime)
	defer limit.Stop()
	end := func(why string, ask bool) {
		if ask {
			tell(control.DoctorOut{Stream: control.Stderr, Line: why})
			if run.proc.Signal(syscall.SIGTERM) == nil {
				limit.Reset(doctorGrace)
				return
			}
		}
		_ = run.proc.Kill() // it may have ended just now
	}
	for asked := false; ; {
		select {
		case out, more := <-lines:
			switch {
			case !more:
				lines = nil
			case left >= 0:
				if left -= len(out.Line) + 1; left < 0 {
					out = control.DoctorOut{Stream: control.Stderr, Line: "the rest of what doctor prints is left out: it is too much"}
				}
				tell(out)
			}
		case <-ending:
			ending = nil
			if !asked {
				end("doctor is ended, because the supervisor ends", true)
			}
			asked = true
		case <-limit.C:
			end(fmt.Sprintf("doctor is ended, because it took longer than %s", control.DoctorTime), !asked)
			asked = true
		case err = <-exited:
			exited = nil
			limit.Stop()
			// What it has started may hold the pipes; what is in them by now is read.
			tail := time.AfterFunc(doctorTail, func() { _ = run.close() })
			defer tail.Stop()
		}
		if lines == nil && exited == nil {
			break
		}
	}
	all.Wait()
	return exit, errors.Join(err, run.close())
}

// readLines sends each line, cut to what one may hold, until the end of r.
func readLines(r io.Reader, stream string, lines chan<- control.DoctorOut) {
	in := bufio.NewReaderSize(r, control.DoctorLine)
	for {
		line, rest, err := in.ReadLine()
		if err != nil {
			return
		}
		text := string(line)
		for rest && err == nil {
			_, rest, err = in.ReadLine()
		}
		lines <- control.DoctorOut{Stream: stream, Line: text}
	}
}

// startTool starts a process that is no gateway, and that whoever starts it waits for.
func (t *trees) startTool(ctx context.Context, spec instance.StartSpec) (instance.Process, error) {
	p, err := t.fork(ctx, spec) // known, so that it is not taken for an orphan
	if err != nil {
		return nil, err
	}
	return tool{p, t}, nil
}

type tool struct {
	instance.Process
	t *trees
}

func (p tool) Wait() (instance.Exit, error) {
	e, err := p.Process.Wait()
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	delete(p.t.own, p.PID())
	return e, err
}
