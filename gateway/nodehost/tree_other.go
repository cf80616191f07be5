//go:build unix && !linux

package nodehost

import "syscall"

// attributes give a command a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killTree ends a command that runs with its process group.
func killTree(pid int, _ string) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // it may have ended
}

// killRest does nothing: once a command has been waited for, its group may be another's.
func killRest(string) {}
