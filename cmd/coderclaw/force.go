package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

const (
	// forceTerm is how long --force waits after SIGTERM before it kills.
	forceTerm = 5 * time.Second
	// forceFree is how long --force waits for a port to become free after that.
	forceFree = 5 * time.Second
	// forcePoll is how often --force looks whether the holder has gone.
	forcePoll = 50 * time.Millisecond
)

// freePort ends what listens on port: one of our supervisors is asked to stop
// the one profile, another process of this user gets SIGTERM and then SIGKILL,
// another user's process is refused by name.
func (a *app) freePort(ctx context.Context, port int) error {
	listeners, err := proctable.Listeners(port)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		if l.PID == 0 {
			return exitcode.With(exitcode.Busy, fmt.Errorf("port %d is held by %s, which is not yours to end", port, proctable.Describe(l)))
		}
		if proctable.ServiceManager(l.PID) {
			return exitcode.With(exitcode.Busy, fmt.Errorf("port %d is held by %s for a socket unit; stop that unit first; this names it: %s", port, proctable.Describe(l), listSockets(l.PID)))
		}
		ours, err := a.stopOwner(ctx, port, l.PID)
		if err != nil {
			return err
		}
		if ours {
			continue
		}
		if l.UID != os.Getuid() {
			return exitcode.With(exitcode.Busy, fmt.Errorf("port %d is held by %s, which is not yours to end", port, proctable.Describe(l)))
		}
		if supervisor := a.supervisorAbove(l.PID); supervisor != 0 {
			return exitcode.With(exitcode.Busy, fmt.Errorf("port %d is held by %s, which supervisor pid %d runs that is not of this registry; end that one, or its one profile, through its own registry",
				port, proctable.Describe(l), supervisor))
		}
		fmt.Fprintf(a.stderr, "coderclaw: --force ends %s\n", proctable.Describe(l))
		if err := endProcess(ctx, l.PID); err != nil {
			return err
		}
	}
	return waitUntil(ctx, forceFree, func() (bool, error) {
		left, err := proctable.Listeners(port)
		return len(left) == 0, err
	}, fmt.Sprintf("port %d is still held; a socket unit would keep it open and is to be stopped with its service", port))
}

// listSockets is the command line that lists the socket units of a service manager.
func listSockets(pid int) string {
	if pid == 1 {
		return "systemctl list-sockets"
	}
	return "systemctl --user list-sockets"
}

// stopOwner asks the supervisor that pid is, or descends from, to stop the
// profile whose gateway holds port. It reports false when pid is no supervisor's.
func (a *app) stopOwner(ctx context.Context, port, pid int) (bool, error) {
	r, err := a.registry()
	if err != nil {
		return false, err
	}
	for _, p := range r.List() {
		client, info, err := control.Find(p)
		if err != nil || !proctable.IsDescendant(pid, info.PID) {
			continue
		}
		status, err := client.Status(ctx)
		if err != nil {
			return false, err
		}
		for _, i := range status.Instances {
			if i.Profile == p.Name && i.Port == port {
				fmt.Fprintf(a.stderr, "coderclaw: --force stops profile %s of supervisor pid %d\n", p.Name, info.PID)
				return true, client.Stop(ctx, p.Name)
			}
		}
	}
	return false, nil
}

// supervisorAbove is the pid of the coderclaw supervisor that pid is or runs
// below, 0 if there is none: ending one would end gateways that nobody meant.
func (a *app) supervisorAbove(pid int) int {
	for pid > 1 {
		p, err := proctable.Get(pid)
		if err != nil {
			return 0
		}
		if len(p.Argv) > 1 && filepath.Base(p.Argv[0]) == filepath.Base(a.argv0) && (slices.Contains(p.Argv, "up") || slices.Contains(p.Argv, "supervisor")) {
			return pid
		}
		pid = p.PPID
	}
	return 0
}

// endProcess sends SIGTERM, waits, and sends SIGKILL. It holds on to the process
// itself (a pidfd on Linux), so a recycled pid is never hit.
func endProcess(ctx context.Context, pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("pid %d: %w", pid, err)
	}
	defer p.Release()
	start, err := proctable.StartTime(pid)
	if err != nil {
		return nil // it has gone meanwhile
	}
	gone := func() (bool, error) { return !proctable.Alive(pid, start), nil }
	if err := terminate(p); err != nil {
		if ok, _ := gone(); ok {
			return nil
		}
		return fmt.Errorf("pid %d cannot be ended: %w", pid, err)
	}
	if waitUntil(ctx, forceTerm, gone, "") == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("pid %d was asked to end and has not: %w", pid, context.Cause(ctx))
	}
	if err := p.Kill(); err != nil {
		if ok, _ := gone(); !ok {
			return fmt.Errorf("pid %d cannot be killed: %w", pid, err)
		}
	}
	return waitUntil(ctx, forceFree, gone, fmt.Sprintf("pid %d does not end", pid))
}

// waitUntil polls done until it is true; after limit it fails with what.
func waitUntil(ctx context.Context, limit time.Duration, done func() (bool, error), what string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(forcePoll)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return exitcode.With(exitcode.Busy, fmt.Errorf("%s after %s", what, limit))
		case <-tick.C:
		}
	}
}
