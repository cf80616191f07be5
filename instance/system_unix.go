//go:build unix

package instance

import (
	"os"
	"syscall"
)

// drainSignal asks a child to end: SIGUSR1 to make room for a successor, which
// it may announce to its clients, SIGTERM for good.
func drainSignal(forRestart bool) os.Signal {
	if forRestart {
		return syscall.SIGUSR1
	}
	return syscall.SIGTERM
}

// dumpSignal has a Go program print the stacks of its goroutines and end.
func dumpSignal() os.Signal { return syscall.SIGQUIT }
