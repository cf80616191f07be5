//go:build unix

package sshtunnel

import (
	"os"
	"syscall"
)

// terminate lets ssh end in order.
func terminate(p *os.Process) { _ = p.Signal(syscall.SIGTERM) } // it may just have ended
