//go:build unix && !linux

package prochandle

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

type sysHandle struct{}

func openSys(int) (sysHandle, error) { return sysHandle{}, nil }

// Kill sends SIGKILL to the process. One that has ended is no error.
func (h *Handle) Kill() error { return h.kill(h.pid) }

// KillGroup sends SIGKILL to the group of the process when it leads one, and else
// does nothing. As long as the leader is there, the group's number is its own.
func (h *Handle) KillGroup() error {
	if pgid, err := unix.Getpgid(h.pid); err != nil || pgid != h.pid || pgid == unix.Getpgrp() {
		return nil // it has ended meanwhile, or leads none, or it is our own
	}
	return h.kill(-h.pid)
}

func (h *Handle) kill(to int) error {
	if !proctable.Alive(h.pid, h.start) {
		return nil
	}
	if err := unix.Kill(to, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill %d: %w", to, err)
	}
	return nil
}

// Wait waits until the process has ended.
func (h *Handle) Wait(ctx context.Context) error { return h.poll(ctx) }

// Close lets go of the process and does nothing to it.
func (h *Handle) Close() error { return nil }
