//go:build unix

package main

import (
	"os"
	"syscall"
)

// terminate asks p to end in order.
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
