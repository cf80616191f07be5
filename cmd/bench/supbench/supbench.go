//go:build linux

// Package supbench owns the benchmark of the supervisor: how fast it starts,
// replaces, shows and stops children that are next to nothing themselves, what it
// weighs and does meanwhile, and how fast it stores what they print. The
// supervisor is the real one in a process of its own; each time stands beside that of a
// bare loop of system calls over the same children in the same round.
//
// It knows nothing of what a gateway takes; that is the other benchmark's.
package supbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/coderclaw/coderclaw/cmd/bench/procstat"
	"github.com/coderclaw/coderclaw/cmd/bench/table"
)

// SuperviseVerb is the argument that makes the benchmark's program the
// supervisor under test; the file of the spec follows.
const SuperviseVerb = "supervise"

// Build builds a package of this module as it is released.
type Build func(ctx context.Context, out, pkg string) error

// Options says what is measured and how often. All are required but the last two.
type Options struct {
	Build    Build
	Out      io.Writer
	Children []int         // of each supervisor, at least 3
	Rounds   int           // of which the best counts
	Kills    int           // in each round
	Idle     time.Duration // how long it is watched while nothing happens; once for each of Children
	Child    string        // "c" or "go"; "" for C where it can be compiled
	Pprof    string        // directory for the profiles of the last round of each of Children
}

// The bars: what the design demands of a supervisor on two processors, measured
// with 300 children where it names a number of them.
const (
	barStart   = 2   // x floor
	barStop    = 50  // ms
	barP50     = 1.5 // ms, death to first instruction
	barP99     = 10  // ms
	barPrivate = 4   // MB, with few children
	barLarge   = 10  // MB, with more
	barThreads = 10
	barCPU     = 1   // ms/s
	barWakeups = 0.1 // 1/s
	barPs      = 10  // ms
	barLog     = 1.3 // x floor
)

// few children are as many as every registry has.
const few = 3

// programs are what is measured and measured with.
type programs struct{ bench, product, bare, child string }

// Run measures and prints. It leaves no process and no file behind.
func Run(ctx context.Context, o Options) (err error) {
	runtime.LockOSThread() // what it starts dies with the thread that did; main's thread ends last
	defer runtime.UnlockOSThread()
	dir, err := os.MkdirTemp("", "coderclaw-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := programs{bench: filepath.Join(dir, "bench"), product: filepath.Join(dir, "coderclaw"), bare: filepath.Join(dir, "floor")}
	for out, pkg := range map[string]string{p.bench: "./cmd/bench", p.product: "./cmd/coderclaw", p.bare: "./cmd/bench/floor"} {
		if err := o.Build(ctx, out, pkg); err != nil {
			return err
		}
	}
	var what string
	if p.child, what, err = buildChild(ctx, dir, o.Child, o.Build); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "The child is %s. Best (median) of %d rounds; %d kills in each. Floors: the same children below bare fork and exec; "+
		"a copy loop of 64 KiB from pipe to file; a Go program that does nothing.\n", what, o.Rounds, o.Kills)
	for _, n := range o.Children {
		if err := o.measure(ctx, dir, p, n); err != nil {
			return fmt.Errorf("%d children: %w", n, err)
		}
	}
	return o.measureLog(ctx, dir, p)
}

// measure does all rounds for n children and prints their table.
func (o *Options) measure(ctx context.Context, dir string, p programs, n int) (err error) {
	s, err := newSet(dir, p.child, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	t := &table.Table{Title: fmt.Sprintf("%d children", n)}
	for round := range o.Rounds {
		b, err := o.bareRound(ctx, s)
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		if err := o.ourRound(ctx, p, s, t, b, round == o.Rounds-1); err != nil {
			return err
		}
	}
	return t.Print(o.Out)
}

// bareTimes are the floors of one round.
type bareTimes struct {
	start, startCPU, stop time.Duration
	crash                 []time.Duration
}

func (o *Options) bareRound(ctx context.Context, s *set) (t bareTimes, err error) {
	b, start, cpu, err := startBare(ctx, s)
	if b != nil {
		defer func() { err = errors.Join(err, b.close()) }()
	}
	if err != nil {
		return t, err
	}
	t.start, t.startCPU = start, cpu
	if t.crash, err = b.crash(ctx, o.Kills); err != nil {
		return t, err
	}
	t.stop, err = b.stop()
	return t, err
}

// ourRound is one life of a supervisor. The last one is also watched and weighed.
func (o *Options) ourRound(ctx context.Context, p programs, s *set, t *table.Table, floor bareTimes, last bool) (err error) {
	var sp spec
	if last && o.Pprof != "" {
		sp.Pprof = filepath.Join(o.Pprof, fmt.Sprint(len(s.profiles)))
		if err := os.MkdirAll(sp.Pprof, 0o700); err != nil {
			return err
		}
	}
	sup, started, ready, err := startOurs(ctx, p.bench, s, sp)
	if sup != nil {
		defer func() { err = sup.close(err) }()
	}
	if err != nil {
		return err
	}
	bar := float64(barStart)
	if len(s.profiles) <= few {
		bar = -1 // nearly all of it is the start of the supervisor's own process
	}
	t.Add(table.Row{What: "start all: exec to last first instruction", Unit: "ms", Bar: bar, Times: true}, table.Ms(started), table.Ms(floor.start))
	t.Add(table.Row{What: "start all: exec to watchers told all ready", Unit: "ms", Bar: bar, Times: true}, table.Ms(ready), table.Ms(floor.start))
	did, err := procstat.Read(sup.cmd.Process.Pid)
	if err != nil {
		return err
	}
	t.Add(table.Row{What: "start all: own time on a processor", Unit: "ms", Bar: -1}, table.Ms(did.CPU), table.Ms(floor.startCPU))
	if last {
		if err := o.watch(ctx, t, sup); err != nil {
			return err
		}
	}
	first, again, err := sup.crash(ctx, o.Kills)
	if err != nil {
		return err
	}
	t.Add(table.Row{What: "kill -9 to first instruction, p50", Unit: "ms", Bar: barP50}, table.Percentile(first, 50), table.Percentile(floor.crash, 50))
	t.Add(table.Row{What: "kill -9 to first instruction, p99", Unit: "ms", Bar: barP99}, table.Percentile(first, 99), table.Percentile(floor.crash, 99))
	// Not a bar: whoever watches may be told of several changes at once, and so later.
	t.Add(table.Row{What: "kill -9 to watchers told ready, p50", Unit: "ms", Bar: -1}, table.Percentile(again, 50), table.Percentile(floor.crash, 50))
	t.Add(table.Row{What: "kill -9 to watchers told ready, p99", Unit: "ms", Bar: -1}, table.Percentile(again, 99), table.Percentile(floor.crash, 99))
	if last {
		if err := weigh(ctx, t, sup); err != nil {
			return err
		}
	}
	if err := o.look(ctx, p, t, sup); err != nil {
		return err
	}
	stop, err := sup.stop()
	t.Add(table.Row{What: "stop all: SIGTERM to supervisor reaped", Unit: "ms", Bar: barStop}, table.Ms(stop), table.Ms(floor.stop))
	return err
}

// look measures how long it takes to see what runs.
func (o *Options) look(ctx context.Context, p programs, t *table.Table, sup *supervised) error {
	bare, err := sup.set.command(ctx, p.bare, "-exit")
	if err != nil {
		return err
	}
	status, err := sup.status(ctx)
	if err != nil {
		return err
	}
	ps, err := sup.set.command(ctx, p.product, "ps", "--json")
	if err != nil {
		return err
	}
	t.Add(table.Row{What: "status over the control socket", Unit: "ms", Bar: barPs}, table.Ms(status), 0)
	t.Add(table.Row{What: fmt.Sprintf("coderclaw ps --json, given up after %s", tooSlow), Unit: "ms", Bar: barPs}, table.Ms(ps), table.Ms(bare))
	return nil
}

// settle is how long what a start or a storm of deaths has left behind may go on working.
const settle = 3 * time.Second

// watch weighs the supervisor and counts what it does while nothing happens. No
// service manager wants pings here and no probe runs, so there is nothing that it must do.
func (o *Options) watch(ctx context.Context, t *table.Table, sup *supervised) error {
	pid := sup.cmd.Process.Pid
	if err := pause(ctx, settle); err != nil {
		return err
	}
	before, err := procstat.Read(pid)
	if err != nil {
		return err
	}
	if err := pause(ctx, o.Idle); err != nil {
		return err
	}
	after, err := procstat.Read(pid)
	if err != nil {
		return err
	}
	pss, private, err := procstat.Memory(pid)
	if err != nil {
		return err
	}
	t.Add(table.Row{What: "private memory, all ready", Unit: "MB", Bar: barFor(sup.set)}, private, 0)
	t.Add(table.Row{What: "PSS, all ready", Unit: "MB", Bar: -1}, pss, 0)
	t.Add(table.Row{What: "threads", Bar: barThreads}, float64(after.Threads), 0)
	t.Add(table.Row{What: fmt.Sprintf("CPU, idle for %s", o.Idle), Unit: "ms/s", Bar: barCPU}, table.Ms(after.CPU-before.CPU)/o.Idle.Seconds(), 0)
	t.Add(table.Row{What: fmt.Sprintf("wake-ups, idle for %s", o.Idle), Unit: "/s", Bar: barWakeups}, float64(after.Switches-before.Switches)/o.Idle.Seconds(), 0)
	if o.Pprof != "" {
		return sup.cmd.Process.Signal(syscall.SIGHUP)
	}
	return nil
}

// weigh tells what 200 deaths within a second have left behind: at once, and once nothing
// has happened for a moment, which is what the bar is about.
func weigh(ctx context.Context, t *table.Table, sup *supervised) error {
	pid := sup.cmd.Process.Pid
	_, busy, err := procstat.Memory(pid)
	if err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	_, calm, err := procstat.Memory(pid)
	if err != nil {
		return err
	}
	t.Add(table.Row{What: "private memory, right after the kills", Unit: "MB", Bar: -1}, busy, 0)
	t.Add(table.Row{What: fmt.Sprintf("private memory, %s after the kills", settle), Unit: "MB", Bar: barFor(sup.set)}, calm, 0)
	return nil
}

func barFor(s *set) float64 {
	if len(s.profiles) <= few {
		return barPrivate
	}
	return barLarge
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// measureLog prints how fast the supervisor stores what a child prints.
func (o *Options) measureLog(ctx context.Context, dir string, p programs) (err error) {
	s, err := newSet(filepath.Join(dir, "log"), p.child, 3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	t := &table.Table{Title: "the log of one of 3 children"}
	for range o.Rounds {
		floor, err := copyLoop(ctx, s)
		if err != nil {
			return err
		}
		ours, lost, err := logged(ctx, p.bench, s)
		if err != nil {
			return err
		}
		t.Add(table.Row{What: "200 MiB: first byte printed to last line stored", Unit: "ms", Bar: barLog, Times: true}, table.Ms(ours), table.Ms(floor))
		t.Add(table.Row{What: "lines lost"}, float64(lost), 0)
	}
	return t.Print(o.Out)
}
