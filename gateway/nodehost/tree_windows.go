package nodehost

import (
	"os/exec"
	"strconv"
	"syscall"
)

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// killTree ends a command that runs with its children.
func killTree(pid int, _ string) {
	_ = exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(pid)).Run() // it may have ended
}

// killGroup does nothing: there are no such groups.
func killGroup(int) {}

// killRest does nothing: once a command has been waited for, its id may be another's.
func killRest(string) {}
