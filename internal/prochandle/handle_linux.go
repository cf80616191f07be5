package prochandle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

type sysHandle = *os.File // a pidfd

func openSys(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.EINVAL) { // before Linux 5.10 there is no such flag
		if fd, err = unix.PidfdOpen(pid, 0); err == nil {
			err = unix.SetNonblock(fd, true)
		}
	}
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // the latter two: a thread
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("pidfd: %w", err)
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("pidfd of %d", pid)), nil // non-blocking, so that it is waited for in the poller
}

// Kill sends SIGKILL to the process. One that has ended is no error.
func (h *Handle) Kill() error {
	err := h.control(func(fd int) error { return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) })
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill pid %d: %w", h.pid, err)
	}
	return nil
}

// KillGroup sends SIGKILL to the group of the process when it leads one, and else
// does nothing. As long as the leader is there, the group's number is its own.
func (h *Handle) KillGroup() error {
	return h.control(func(fd int) error {
		if pgid, err := unix.Getpgid(h.pid); err != nil || pgid != h.pid || pgid == unix.Getpgrp() {
			return nil // it has ended meanwhile, or leads none, or it is our own
		}
		if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
			return nil // the same, seen of the process that is held
		}
		if err := unix.Kill(-h.pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill group %d: %w", h.pid, err)
		}
		return nil
	})
}

func (h *Handle) control(do func(fd int) error) error {
	raw, err := h.sys.SyscallConn()
	if err != nil {
		return err
	}
	var doErr error
	err = raw.Control(func(fd uintptr) { doErr = do(int(fd)) })
	return errors.Join(err, doErr)
}

// Wait waits until the process has ended, whether or not its parent has reaped it.
func (h *Handle) Wait(ctx context.Context) error {
	raw, err := h.sys.SyscallConn()
	if err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = h.sys.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	})
	defer func() {
		if !stop() {
			<-interrupted
			_ = h.sys.SetReadDeadline(time.Time{})
		}
	}()
	var pollErr error
	err = raw.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		if errors.Is(err, unix.EINTR) {
			n, err = unix.Poll(p, 0)
		}
		pollErr = err
		return err != nil || n > 0
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("wait for pid %d: %w", h.pid, context.Cause(ctx))
	}
	if err := errors.Join(err, pollErr); err != nil {
		return fmt.Errorf("wait for pid %d: %w", h.pid, err)
	}
	return nil
}

// Close lets go of the process and does nothing to it.
func (h *Handle) Close() error { return h.sys.Close() }
