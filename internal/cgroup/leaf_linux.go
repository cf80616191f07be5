package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Leaf is the group of one instance. What the instance starts is in it too, or in
// groups below, in whatever session or process group, unless it has the right to
// write to other groups and moves itself. Methods are safe for concurrent use.
type Leaf struct{ dir string }

// Dir is the directory of the leaf.
func (l *Leaf) Dir() string { return l.dir }

// Name is the name that Tree.Leaf was given.
func (l *Leaf) Name() string { return strings.TrimPrefix(filepath.Base(l.dir), leafPrefix) }

// FD is a handle on the leaf for starting a process in it, as the CgroupFD of
// syscall.SysProcAttr. The caller closes it.
func (l *Leaf) FD() (*os.File, error) {
	fd, err := unix.Open(l.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("control group %s: %w", l.dir, err)
	}
	return os.NewFile(uintptr(fd), l.dir), nil
}

// SetLimits sets all limits and says which of those asked for are in force. One
// whose controller is missing is no error.
func (l *Leaf) SetLimits(limits Limits) (Applied, error) {
	var a Applied
	var errs []error
	for _, one := range []struct {
		file  string
		value uint64
		ok    *bool
	}{
		{"memory.high", limits.MemoryHigh, &a.MemoryHigh},
		{"memory.max", limits.MemoryMax, &a.MemoryMax},
		{"pids.max", limits.PidsMax, &a.PidsMax},
	} {
		text := "max"
		if one.value > 0 {
			text = strconv.FormatUint(one.value, 10)
		}
		err := write(filepath.Join(l.dir, one.file), text)
		switch {
		case err == nil:
			*one.ok = one.value > 0
		case !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, fmt.Errorf("limit: %w", err))
		}
	}
	return a, errors.Join(errs...)
}

// Events are the counters of the memory controller. The error is
// errors.ErrUnsupported where that is missing.
func (l *Leaf) Events() (Events, error) {
	text, err := l.memory("memory.events")
	if err != nil {
		return Events{}, err
	}
	n, err := parseFlat(text)
	if err != nil {
		return Events{}, fmt.Errorf("%s/memory.events: %w", l.dir, err)
	}
	return Events{High: n["high"], Max: n["max"], OOM: n["oom"], OOMKill: n["oom_kill"]}, nil
}

// MemoryCurrent is what the leaf uses, in bytes, file cache included. The error
// is errors.ErrUnsupported where the memory controller is missing.
func (l *Leaf) MemoryCurrent() (uint64, error) {
	text, err := l.memory("memory.current")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s/memory.current: %w", l.dir, err)
	}
	return n, nil
}

func (l *Leaf) memory(file string) (string, error) {
	text, err := os.ReadFile(filepath.Join(l.dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(l.dir); err != nil {
			return "", err
		}
		return "", fmt.Errorf("%s: no memory controller: %w", l.dir, errors.ErrUnsupported)
	}
	return string(text), err
}

// Pids are the processes in the leaf and in groups below it, without zombies.
func (l *Leaf) Pids() ([]int, error) {
	dirs, err := l.dirs()
	if err != nil {
		return nil, err
	}
	var out []int
	for _, d := range dirs {
		pids, err := readPids(d)
		if err != nil {
			return nil, err
		}
		out = append(out, pids...)
	}
	return out, nil
}

// readPids reads the processes of one group. One that has gone has none, nor has
// a threaded one, whose processes are those of the group above.
func readPids(dir string) ([]int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if gone(err) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parsePids(string(text))
}

// dirs are the leaf and all groups below it, each before those below it.
func (l *Leaf) dirs() ([]string, error) {
	var out []string
	err := filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if gone(err) {
			return nil
		}
		if err == nil && d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	return out, err
}

// gone tells whether the group that was asked no longer exists.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) }

// Populated tells whether a process is in the leaf or below it. A leaf that does
// not exist is not populated.
func (l *Leaf) Populated() (bool, error) {
	text, err := os.ReadFile(filepath.Join(l.dir, "cgroup.events"))
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return populated(string(text))
}

func populated(text string) (bool, error) {
	n, err := parseFlat(text)
	if err != nil {
		return false, fmt.Errorf("cgroup.events: %w", err)
	}
	return n["populated"] != 0, nil
}

// Remove removes the leaf and the groups below it, which must hold no process.
// One that does not exist is no error.
func (l *Leaf) Remove() error {
	dirs, err := l.dirs()
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(dirs) {
		if err := unix.Rmdir(d); err != nil && !gone(err) {
			return fmt.Errorf("remove control group %s: %w", d, err)
		}
	}
	return nil
}

// removeRetry is how long End leaves the kernel alone after a refused removal;
// there is no event to wait for.
const removeRetry = time.Millisecond

// End kills everything in the leaf, waits until it has ended, and removes the leaf.
func (l *Leaf) End(ctx context.Context) error {
	tick := time.NewTicker(removeRetry)
	defer tick.Stop()
	for {
		if err := l.Kill(); err != nil {
			return err
		}
		if err := l.Wait(ctx); err != nil {
			return err
		}
		err := l.Remove()
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		select { // somebody entered meanwhile, or the kernel has not let go of the dead
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
