//go:build unix

package runas

import (
	"os"
	"syscall"
)

func isRoot() bool { return os.Getuid() == 0 }

func groupsNow() ([]int, error) { return syscall.Getgroups() }

// become changes the effective ids of all threads; the real ones stay root's,
// so that the way back is open, and the account cannot touch the process.
func (s *Switch) become(user bool) error {
	if !user {
		if err := syscall.Seteuid(0); err != nil { // first: root's rights are needed for the rest
			return err
		}
		if err := syscall.Setegid(os.Getgid()); err != nil {
			return err
		}
		return syscall.Setgroups(s.own)
	}
	if err := syscall.Setgroups(s.account.Groups); err != nil {
		return err
	}
	if err := syscall.Setegid(s.account.GID); err != nil {
		return err
	}
	return syscall.Seteuid(s.account.UID)
}
