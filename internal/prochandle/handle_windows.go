package prochandle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

type sysHandle = *os.Process // holds an open handle, so that the number is not given to another

func openSys(pid int) (*os.Process, error) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return p, nil
}

// Kill ends the process. One that has ended is no error.
func (h *Handle) Kill() error {
	if err := h.sys.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill pid %d: %w", h.pid, err)
	}
	return nil
}

// KillGroup does nothing: this system has no groups of this kind.
func (h *Handle) KillGroup() error { return nil }

// Wait waits until the process has ended.
func (h *Handle) Wait(ctx context.Context) error { return h.poll(ctx) }

// Close lets go of the process and does nothing to it.
func (h *Handle) Close() error { return h.sys.Release() }
