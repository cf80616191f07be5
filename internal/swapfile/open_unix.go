//go:build unix

package swapfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFile opens a file for reading, no link and without waiting for the other end of a pipe.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
}

// openAny is openFile for directories too.
func openAny(path string) (*os.File, error) { return openFile(path) }

// own gives f to the owner of old, which root has to do.
func own(f *os.File, old fs.FileInfo) error {
	if old == nil || old.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	was, ok := old.Sys().(*syscall.Stat_t)
	now, err := f.Stat()
	if err != nil {
		return err
	}
	is, okNow := now.Sys().(*syscall.Stat_t)
	if !ok || !okNow || was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	err = f.Chown(int(was.Uid), int(was.Gid))
	if was.Uid == is.Uid && errors.Is(err, fs.ErrPermission) {
		return nil // a group that this user is not in any more
	}
	return err
}

// putNew moves from to to, unless something stands there.
func putNew(from, to string) error {
	if err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, to, 0); err != nil {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: err}
	}
	return os.Remove(from)
}
