//go:build unix

package main

import "syscall"

// ownSession lets a program outlive the terminal that this command was typed in.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
