package instance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/handoff"
)

// child is one process and what is held for it here.
type child struct {
	proc     Process
	id       string
	pipe     *os.File        // the end of the hand-off pipe whose closing tells the child that we are gone
	output   *output         // what it prints
	handed   chan struct{}   // closed when it was told all that the pipe has for it
	exited   chan Exit       // holds one
	reported <-chan struct{} // closed when it has said that it is ready
	launch   Launch
	began    time.Time
	ready    bool
	asked    bool   // we asked it to end
	fate     string // class of the exit that we decided on, "" if we did not
	why      string // in the words of that decision
	misses   int    // liveness probes in a row that it did not answer
	hung     bool   // it is being killed for that

	unwatch context.CancelFunc // ends its probes; nil before it is ready
}

// spawn starts the process of a launch and hands it its identity.
func (m *machine) spawn(ctx context.Context, l Launch, notify string) (_ *child, err error) {
	c := &child{id: rand.Text(), launch: l, began: time.Now(), handed: make(chan struct{}), exited: make(chan Exit, 1)}
	l.Handoff.Instance = c.id
	c.reported = m.o.Reports.Expect(c.id)
	defer func() {
		if err != nil {
			m.o.Reports.Forget(c.id)
		}
	}()
	message, err := handoff.Encode(l.Handoff)
	if err != nil {
		return nil, err
	}
	// Where the message fits, the child finds it when it begins, and need not wait for us.
	told := len(message) <= pipeHolds
	theirs, ours, err := handoffPipe(told)
	if err != nil {
		return nil, fmt.Errorf("hand-off pipe: %w", err)
	}
	closeTheirs := sync.OnceFunc(func() { _ = theirs.Close() })
	defer closeTheirs()
	printed, printer, err := outputPipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("output pipe: %w", err), ours.Close())
	}
	defer printer.Close()
	if told {
		if _, err := ours.Write(message); err != nil {
			return nil, errors.Join(fmt.Errorf("hand-off: %w", err), ours.Close(), printed.Close())
		}
	}
	files := slices.Concat([]*os.File{nil, printer, printer}, l.Files, []*os.File{theirs})
	env := slices.Concat(l.Env, []string{
		handoff.EnvParentFD + "=" + strconv.Itoa(handoff.FirstFD+len(l.Files)),
		"NOTIFY_SOCKET=" + notify,
		handoff.EnvInstance + "=" + c.id,
	})
	if len(l.Files) > 0 {
		env = append(env, handoff.EnvListenFDs+"="+strconv.Itoa(len(l.Files)))
	}
	c.pipe = ours
	c.proc, err = m.o.Starter.Start(ctx, StartSpec{Path: l.Path, Args: l.Args, Env: env, Dir: l.Dir, Files: files})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start %s: %w", l.Path, err), ours.Close(), printed.Close())
	}
	closeTheirs() // so that a write to a child that has died fails
	// The rest of the launch is of no use any more.
	c.launch = Launch{Hash: l.Hash, Degraded: l.Degraded, Live: l.Live, Serving: l.Serving, OnReady: l.OnReady}
	m.consume(c, printed, nil)
	m.await(c)
	if told {
		close(c.handed)
		return c, nil
	}
	// A child that hangs reads none of it. What ends the child closes the pipe, so this ends too.
	m.outputs.Go(func() {
		defer close(c.handed)
		if _, err := ours.Write(message); err != nil {
			m.o.Log.Warn("hand-off", "profile", m.o.Name, "err", err) // the child has died; its exit says more
		}
	})
	return c, nil
}

// consume has an intake take what c prints, behind the beginning of a line.
func (m *machine) consume(c *child, printed *os.File, begun []byte) {
	c.output = &output{file: printed, intake: m.o.Output(begun), waits: m.o.Waits, done: make(chan struct{}), failed: func(err error) {
		m.o.Log.Error("output", "profile", m.o.Name, "err", err)
	}}
	c.output.wait()
}

// await waits for the end of c.
func (m *machine) await(c *child) {
	m.outputs.Add(1)
	err := c.proc.OnEnd(func() {
		defer m.outputs.Done()
		e, err := c.proc.Wait()
		if err != nil {
			m.o.Log.Error("wait", "profile", m.o.Name, "err", err)
		}
		c.exited <- e
	})
	if err != nil {
		m.outputs.Done()
		m.o.Log.Error("wait", "profile", m.o.Name, "pid", c.proc.PID(), "err", err)
	}
}

// outputGrace is how long a descendant that outlives the child may go on printing.
const outputGrace = time.Second

// aftermath is how long what is to be done about a death waits for a successor to
// be ready: the two would compete for the processors.
const aftermath = 100 * time.Millisecond

// close lets go of what is held for a child that has ended. What it printed is
// still read to its end, in the background, before then is called, which also waits
// for begun or aftermath.
func (c *child) close(background *sync.WaitGroup, begun <-chan struct{}, then func()) {
	if c.unwatch != nil {
		c.unwatch()
	}
	background.Go(func() {
		_ = c.pipe.Close() // the child is gone, so nothing can be lost
		timer := time.NewTimer(outputGrace)
		defer timer.Stop()
		select {
		case <-c.output.done:
		case <-timer.C:
			c.output.end()
			<-c.output.done
		}
		_ = c.output.file.Close() // it was only read
		if begun != nil {
			timer.Reset(aftermath)
			select {
			case <-begun:
			case <-timer.C:
			}
		}
		then()
	})
}
