package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Wait waits until no process is left in the leaf and below it. It costs a
// descriptor and no thread: the kernel announces changes of cgroup.events to the
// poller. A leaf that is removed counts as empty.
func (l *Leaf) Wait(ctx context.Context) error {
	path := filepath.Join(l.dir, "cgroup.events")
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("wait for %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path) // one that is non-blocking goes to the poller, which os.Open keeps regular files from
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = f.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	})
	defer func() {
		if !stop() {
			<-interrupted
		}
	}()
	var state error
	err = raw.Read(func(fd uintptr) bool {
		var full bool
		full, state = readPopulated(int(fd))
		return !full || state != nil
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("wait for %s to be empty: %w", l.dir, context.Cause(ctx))
	}
	if err := errors.Join(err, state); err != nil {
		return fmt.Errorf("wait for %s: %w", path, err)
	}
	return nil
}

// readPopulated reads an open cgroup.events from its beginning, which also makes
// the next change count as news.
func readPopulated(fd int) (bool, error) {
	var buf [512]byte // the file has two short lines
	for {
		n, err := unix.Pread(fd, buf[:], 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case gone(err):
			return false, nil
		case err != nil:
			return false, err
		default:
			return populated(string(buf[:n]))
		}
	}
}
