package swapfile

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// exchange makes a and b change names in one step.
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // some network and older file systems
		return errors.ErrUnsupported
	}
	return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
}

// Whoever has just lost the name of a file writes to it for so long at most.
const (
	closeTime = 3 * time.Second
	closePoll = 2 * time.Millisecond
)

// closed waits until nobody has the file at path open for writing: only then does
// the kernel grant a lease for reading. It tells whether that came about; where
// leases are not to be had, it takes the file for closed.
func closed(path string) bool {
	f, err := openFile(path)
	if err != nil {
		return true // a link; or gone, which whoever looks will see
	}
	defer f.Close()
	limit := time.NewTimer(closeTime)
	defer limit.Stop()
	tick := time.NewTicker(closePoll)
	defer tick.Stop()
	for {
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK); !errors.Is(err, unix.EAGAIN) {
			return true
		}
		select {
		case <-limit.C:
			return false
		case <-tick.C:
		}
	}
}
