package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"
)

// colour tells whether log lines for people may carry colour: stderr is a
// terminal and NO_COLOR is not set.
func (a *app) colour() bool {
	if _, off := a.env("NO_COLOR"); off {
		return false
	}
	return isTerminal(a.stderr)
}

// isTerminal tells whether stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := streamOf(stream).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalSize is how many characters fit into a line of the terminal and how many
// lines it has, 80 and 24 when it does not say.
func terminalSize(stream any) (width, height int) {
	if f, ok := streamOf(stream).(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// maxConsole bounds what waits for a console that does not take it.
const maxConsole = 1 << 20

// console is a writer that never waits: what prints for people must not hold up
// gateways when nobody reads. Beyond maxConsole whole writes are dropped, and it
// is said how many lines were. It is safe for concurrent use.
type console struct {
	w    io.Writer
	wake chan struct{} // holds at most one token
	done chan struct{} // closed when nothing more is written

	mu      sync.Mutex // guards what follows
	queue   []byte
	dropped int // lines since the last note
	closed  bool
	flushes []chan struct{} // closed when what is queued is written
}

func newConsole(w io.Writer) *console {
	c := &console{w: w, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go c.run()
	return c
}

// Write queues p and reports success whatever becomes of it.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.queue)+len(p) > maxConsole {
		c.dropped += bytes.Count(p, []byte("\n"))
		return len(p), nil
	}
	if c.dropped > 0 {
		c.queue = fmt.Appendf(c.queue, "(%d lines were dropped, nobody read them)\n", c.dropped)
		c.dropped = 0
	}
	c.queue = append(c.queue, p...)
	c.wakeLocked()
	return len(p), nil
}

func (c *console) wakeLocked() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *console) run() {
	defer close(c.done)
	for range c.wake {
		c.mu.Lock()
		batch, end, flushes := c.queue, c.closed, c.flushes
		c.queue, c.flushes = nil, nil
		c.mu.Unlock()
		_, _ = c.w.Write(batch) // a console that went away must not stop the gateways
		for _, f := range flushes {
			close(f)
		}
		if end {
			return
		}
	}
}

// flush returns when all that was written so far is out, unless nobody takes it.
func (c *console) flush() {
	timer := time.NewTimer(consoleFlush)
	defer timer.Stop()
	written := make(chan struct{})
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.flushes = append(c.flushes, written)
	c.wakeLocked()
	c.mu.Unlock()
	select {
	case <-written:
	case <-timer.C:
	}
}

// consoleFlush is how long a console may take for the last lines.
const consoleFlush = time.Second

// Close writes what is queued, unless nobody takes it.
func (c *console) Close() error {
	c.mu.Lock()
	c.closed = true
	c.wakeLocked()
	c.mu.Unlock()
	timer := time.NewTimer(consoleFlush)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C: // the goroutine is stuck in a write and ends with the process
	}
	return nil
}

// survivePipes makes a console that goes away an error of the write instead of
// the end of the process. Unlike ignoring the signal, it is not inherited.
func survivePipes() (stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGPIPE)
	return func() { signal.Stop(ch) }
}
