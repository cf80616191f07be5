//go:build unix

package logfile

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// readNow reads from f, whose descriptor is a non-blocking one, or fails with errNothing.
func readNow(f *os.File, b []byte) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var reading error
	err = raw.Control(func(fd uintptr) {
		for {
			if n, reading = unix.Read(int(fd), b); !errors.Is(reading, unix.EINTR) {
				return
			}
		}
	})
	n = max(0, n)
	switch {
	case err != nil:
		return n, err
	case errors.Is(reading, unix.EAGAIN):
		return n, errNothing
	case reading != nil:
		return n, fmt.Errorf("read %s: %w", f.Name(), reading)
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// soon is how long whoever prints a flood may take to go on, in ms.
const soon = 2

// moreSoon waits for more for a moment, which costs a thread meanwhile, and tells
// whether it has come.
func moreSoon(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = raw.Control(func(fd uintptr) { n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, soon) }) // an error shows at the read
	return err == nil && n > 0
}
