package porttest

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// claim takes the block for this process, by a name that lasts no longer than it does.
func claim(base int) (release func(), err error) {
	l, err := net.Listen("unix", fmt.Sprintf("@coderclaw-porttest-%d", base))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errClaimed
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = l.Close() }, nil // nothing was ever written
}
