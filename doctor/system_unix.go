//go:build unix

package doctor

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// writable tells whether this user may make files in the directory.
func writable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }

// executable tells whether this user may start the program.
func executable(path string, info fs.FileInfo) bool {
	return info.Mode().Perm()&0o111 != 0 && unix.Access(path, unix.X_OK) == nil
}
