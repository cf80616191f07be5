package swapfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// exchange makes a and b change names in one step.
func exchange(a, b string) error {
	err := unix.RenamexNp(a, b, unix.RENAME_SWAP)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EINVAL):
		return errors.ErrUnsupported
	}
	return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
}

// closed cannot tell here whether somebody has the file open.
func closed(string) bool { return true }
