package main

import "syscall"

// ownSession lets a program outlive the terminal that this command was typed in.
func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
