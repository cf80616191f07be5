//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package ledger

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bootID is when the system started. Setting the clock may move it; then no
// entry matches, and nothing is ended.
func bootID() (string, error) {
	tv, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return "", fmt.Errorf("kern.boottime: %w", err)
	}
	return fmt.Sprintf("%d.%06d", tv.Sec, tv.Usec), nil
}
