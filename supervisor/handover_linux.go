package supervisor

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// handoverFile holds text in memory, for a successor that gets the descriptor.
func handoverFile(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("coderclaw-handover", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("hand-over: %w", err)
	}
	f := os.NewFile(uintptr(fd), "hand-over")
	if _, err := f.Write(text); err != nil {
		return nil, errors.Join(fmt.Errorf("hand-over: %w", err), f.Close())
	}
	return f, nil
}

// adoptFile takes over a descriptor that the predecessor has left open.
func adoptFile(fd int, name string) (*os.File, error) {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		return nil, fmt.Errorf("%s: descriptor %d: %w", name, fd, err)
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name), nil
}

// adoptListener is adoptFile for a socket on which only children accept. They have
// made it a non-blocking one, and with such a descriptor os would have each client
// wake this process. So os gets another one first, which the socket then replaces.
func adoptListener(fd int, name string) (*os.File, error) {
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", name, err)
	}
	f := os.NewFile(uintptr(null), name)
	err = unix.Dup3(fd, null, unix.O_CLOEXEC)
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return nil, errors.Join(fmt.Errorf("listener %s: descriptor %d: %w", name, fd, err), f.Close())
	}
	return f, nil
}

// monotonic is the time since some moment before this process was started.
func monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail with these arguments
	return time.Duration(t.Nano())
}
