package peercred

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Of returns the credentials of the peer of c.
func Of(c *net.UnixConn) (Cred, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Cred{}, fmt.Errorf("peer of a unix socket: %w", err)
	}
	var cred *unix.Xucred
	var pid int
	var inner error
	err = raw.Control(func(fd uintptr) {
		if cred, inner = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED); inner == nil {
			pid, inner = unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID)
		}
	})
	if err := errors.Join(err, inner); err != nil {
		return Cred{}, fmt.Errorf("peer of a unix socket: %w", err)
	}
	return Cred{UID: cred.Uid, PID: pid}, nil
}
