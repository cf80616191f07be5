//go:build unix && !linux

package pollset

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ready tells whether a read of the descriptor would not wait.
func ready(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if !errors.Is(err, unix.EINTR) {
			return err != nil || n > 0
		}
	}
}
