//go:build !linux

package sshtunnel

import (
	"runtime"
	"syscall"
)

// usesSocket tells whether the ssh of this system can listen on a socket; that of Windows cannot.
const usesSocket = runtime.GOOS != "windows"

func attributes() *syscall.SysProcAttr { return nil }

// run starts ssh and waits for it.
func (t *Tunnel) run(started chan<- error) { t.startAndWait(started) }
