//go:build unix

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openInherited takes over descriptor n. It is made non-blocking before Go sees
// it, so that a read waits in the runtime's poller and not in a thread.
func openInherited(n int, variable string) (*os.File, error) {
	if _, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err != nil {
		return nil, usageError("%s names descriptor %d, which is not open; unset it to run a gateway by hand", variable, n)
	}
	unix.CloseOnExec(n)
	if err := unix.SetNonblock(n, true); err != nil {
		return nil, fmt.Errorf("descriptor %d of %s: %w", n, variable, err)
	}
	return os.NewFile(uintptr(n), variable), nil
}
