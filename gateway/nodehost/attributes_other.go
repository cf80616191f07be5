//go:build unix && !linux

package nodehost

import "syscall"

// attributes give a command a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
