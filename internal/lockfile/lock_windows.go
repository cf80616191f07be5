package lockfile

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// open opens the file of a lock, or makes it.
func open(path string) (*os.File, error) { return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) }

// unlock leaves it to the closing of f.
func unlock(*os.File) error { return nil }

// tryLock locks one byte far behind the content, so that others can read who
// holds the lock. It lasts as long as f is open.
func tryLock(f *os.File) (bool, error) {
	at := &windows.Overlapped{OffsetHigh: 1 << 20}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
