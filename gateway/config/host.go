package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// host is what Setup asks of the system before it writes.
type host struct {
	uid      int                                // of this process, -1 where users have no number
	ownerOf  func(info fs.FileInfo) (int, bool) // owner of a file, false when not known
	writable func(dir string) error             // whether this process may make entries in dir
}

// owned refuses a directory of another user, which root could write but its owner's
// gateway could then no longer read.
func (h host) owned(dir string) error {
	info, err := os.Stat(dir)
	if missing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("state dir: %w", err)
	}
	if owner, known := h.ownerOf(info); known && owner != h.uid {
		return fmt.Errorf("state dir %s belongs to uid %d, but this is uid %d; run it as that user or choose another state dir", dir, owner, h.uid)
	}
	return nil
}

// creatable refuses a path whose nearest existing directory cannot be written.
func (h host) creatable(what, path string) error {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if missing(err) && dir != filepath.Dir(dir) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s %s cannot be made: %w", what, path, err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%s %s cannot be made: %s is a file; move it or choose another place", what, path, dir)
		}
		if err := h.writable(dir); err != nil {
			return fmt.Errorf("%s %s cannot be made: %s is not writable: %w; make it writable or choose another place", what, path, dir, err)
		}
		return nil
	}
}

// missing tells whether err means that nothing is there, a file on the way included.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// wideNote says when others may read what only the owner should.
func wideNote(info fs.FileInfo) string {
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("mode %04o lets other users in; mend it with: coderclaw doctor --repair", info.Mode().Perm())
}
