//go:build linux || darwin

package supervisor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// leastFree is what must be free on the disk of a state dir for a start: a
// gateway that cannot write its lock, its log and its sessions only dies.
const leastFree = 1 << 20

// diskFull says how little is left, "" when it is enough or cannot be told.
func diskFull(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return ""
	}
	if free := st.Bavail * uint64(st.Bsize); free < leastFree {
		return fmt.Sprintf("the disk of %s is full: %d bytes are free, %d must be", dir, free, leastFree)
	}
	return ""
}
