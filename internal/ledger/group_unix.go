//go:build unix

package ledger

import "golang.org/x/sys/unix"

// groupOf is the process group of pid, 0 if it has ended.
func groupOf(pid int) int {
	pgid, err := unix.Getpgid(pid)
	if err != nil {
		return 0
	}
	return pgid
}
