package reaper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/prochandle"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// Reaper is the part of this process that takes in orphans. Methods are safe for
// concurrent use.
type Reaper struct {
	own  func(pid int) bool
	list func() ([]int, error)
	log  *slog.Logger
}

// Start makes this process the one to which orphaned descendants come, which
// lasts until it ends and through an execve.
//
// own tells whether this program started the child. It has to hold back its
// answer while a child is between its fork and being known to own, and to go on
// saying yes until the child has been reaped by whoever started it: a lock around
// "fork and write down", and one around "reap and cross out", do. Children in this
// process's own group, such as short-lived tools, count as started by us without
// being asked about. own is called from several goroutines.
//
// log is told when orphans cannot be looked at; they then wait for the next look.
func Start(own func(pid int) bool, log *slog.Logger) (*Reaper, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("take in orphans: %w", err)
	}
	list := children
	if _, err := os.Stat("/proc/thread-self/children"); errors.Is(err, fs.ErrNotExist) {
		list = childrenByParent // the kernel was built without CONFIG_PROC_CHILDREN
	}
	return &Reaper{own: own, list: list, log: log}, nil
}

// lull is how long an orphan that has ended may wait. The children of this program
// end with the same signal, and whoever waits for one of them is not to be disturbed.
const lull = 20 * time.Millisecond

// Run reaps orphans soon after they end, until ctx does.
func (r *Reaper) Run(ctx context.Context) error {
	signals := make(chan os.Signal, 1) // one that waits stands for all before it
	signal.Notify(signals, unix.SIGCHLD)
	defer signal.Stop(signals)
	for {
		if err := r.reap(ctx); err != nil {
			r.log.Error("orphans are not reaped now", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-signals:
		}
		timer := time.NewTimer(lull)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// ended tells whether any child is a zombie, ours or not.
func ended() bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && info.Signo != 0
		}
	}
}

// reap collects every orphan that has ended. A list of children that is read
// while some of them go may lack others, so it looks until two lists agree.
func (r *Reaper) reap(ctx context.Context) error {
	var before []int
	for first := true; ctx.Err() == nil && ended(); first = false {
		pids, err := r.list()
		if err != nil {
			return err
		}
		if !first && slices.Equal(pids, before) {
			return nil
		}
		before = pids
		for _, pid := range pids {
			if err := r.reapOne(pid); err != nil {
				return err
			}
		}
	}
	return nil
}

// reapOne collects the child if it is an orphan that has ended. It takes hold of
// the child before it asks whose it is, because the number may get a new owner
// between the two; of one that was reaped meanwhile the kernel then finds nothing.
func (r *Reaper) reapOne(pid int) error {
	if r.own(pid) {
		return nil // spares the rest for the many
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pid %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if r.ours(pid) {
		return nil
	}
	for {
		err := unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err == nil, errors.Is(err, unix.ECHILD):
			return nil
		default:
			return fmt.Errorf("reap pid %d: %w", pid, err)
		}
	}
}

// ours tells whether this program started the child, or may have.
func (r *Reaper) ours(pid int) bool {
	if pgid, err := unix.Getpgid(pid); err != nil || pgid == unix.Getpgrp() {
		return true
	}
	return r.own(pid)
}

// Orphans are the living processes that came to us.
func (r *Reaper) Orphans() ([]Orphan, error) {
	pids, err := r.list()
	if err != nil {
		return nil, err
	}
	var out []Orphan
	for _, pid := range pids {
		if r.own(pid) {
			continue // spares the rest for the many
		}
		start, err := proctable.StartTime(pid)
		if err != nil {
			continue // it has ended
		}
		pgid, err := unix.Getpgid(pid)
		if err != nil || r.ours(pid) {
			continue
		}
		out = append(out, Orphan{PID: pid, StartTime: start, PGID: pgid})
	}
	return out, nil
}

// End kills the orphans that which chooses, and then those that came to us by
// that, until there is none left. nil chooses all. ctx bounds it; the error then
// names how many are left.
func (r *Reaper) End(ctx context.Context, which func(Orphan) bool) error {
	looked := false
	for {
		orphans, err := r.Orphans()
		if err != nil {
			return err
		}
		if which != nil {
			orphans = slices.DeleteFunc(orphans, func(o Orphan) bool { return !which(o) })
		}
		if len(orphans) == 0 {
			// What is ending just now hands over its children, which the list may not have shown yet.
			if err := r.reap(ctx); err != nil || looked {
				return err
			}
			looked = true
			continue
		}
		looked = false
		if ctx.Err() != nil { // they may breed faster than they are killed
			return fmt.Errorf("%d processes that instances left behind: %w", len(orphans), context.Cause(ctx))
		}
		if err := end(ctx, orphans); err != nil {
			return fmt.Errorf("%d processes that instances left behind: %w", len(orphans), err)
		}
	}
}

// end kills all and waits for all.
func end(ctx context.Context, orphans []Orphan) error {
	var held []*prochandle.Handle
	var errs []error
	for _, o := range orphans {
		h, err := prochandle.Open(o.PID, o.StartTime)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		held = append(held, h)
		errs = append(errs, h.Kill())
	}
	for _, h := range held {
		errs = append(errs, h.Wait(ctx))
		_ = h.Close() // nothing was written through it
	}
	return errors.Join(errs...)
}
