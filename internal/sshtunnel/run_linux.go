package sshtunnel

import (
	"runtime"
	"syscall"
)

// usesSocket tells that the ssh of this system can listen on a socket.
const usesSocket = true

// attributes end ssh with this process, even if that is killed.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

// run starts ssh and waits for it, on one thread: what attributes promise is bound to it.
func (t *Tunnel) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	t.startAndWait(started)
}
