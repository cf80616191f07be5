// Package prochandle owns holding on to one process that need not be a child, so
// that what is done to it is never done to another that got its number. It knows
// nothing of why a process is to end.
package prochandle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

// Handle is a hold on one process. On Linux and Windows the system guarantees
// it; elsewhere the start time is looked at again before each act. Methods may be
// called from one goroutine at a time.
type Handle struct {
	pid   int
	start uint64
	sys   sysHandle
}

// Open takes hold of the process that has this pid and started at startTime, as
// in proctable. The error is fs.ErrNotExist when there is none or it has ended.
// The caller closes the handle.
func Open(pid int, startTime uint64) (*Handle, error) {
	if pid <= 1 || pid == os.Getpid() {
		return nil, fmt.Errorf("pid %d is not one to take hold of", pid)
	}
	sys, err := openSys(pid)
	if err != nil {
		return nil, fmt.Errorf("pid %d: %w", pid, err)
	}
	h := &Handle{pid: pid, start: startTime, sys: sys}
	if !proctable.Alive(pid, startTime) { // only after opening does the answer hold for what was opened
		return nil, errors.Join(fmt.Errorf("pid %d is another process by now: %w", pid, fs.ErrNotExist), h.Close())
	}
	return h, nil
}
