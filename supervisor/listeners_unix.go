//go:build unix

package supervisor

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	inheritsListeners = true

	errInUse      = syscall.EADDRINUSE
	errNoSuchAddr = syscall.EADDRNOTAVAIL
)

// detach returns a second descriptor of the socket of l. It is made a blocking
// one before os sees it, because os would put another into the poller, and each
// client of the gateway would wake this process. A child that accepts on it sets
// what it needs; the mark belongs to the socket and is no matter here.
func detach(l *net.TCPListener) (*os.File, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	var inner error
	err = raw.Control(func(s uintptr) {
		if fd, inner = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0); inner == nil {
			inner = unix.SetNonblock(fd, false)
		}
	})
	if err == nil {
		err = inner
	}
	if err != nil {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		return nil, fmt.Errorf("keep the socket on %s: %w", l.Addr(), err)
	}
	return os.NewFile(uintptr(fd), l.Addr().String()), nil
}
