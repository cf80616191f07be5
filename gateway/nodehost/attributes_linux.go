package nodehost

import "syscall"

// attributes give a command a process group of its own, and end it with the host.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
