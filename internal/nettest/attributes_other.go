//go:build !linux

package nettest

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }
