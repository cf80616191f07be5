package instance

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func killGroup(int) error { return nil }

func signalOf(*os.ProcessState) string { return "" }

// drainSignal ends a child; this system has no signal that asks for it.
func drainSignal(bool) os.Signal { return os.Kill }

// dumpSignal has a program end at once: there is no signal that asks for a dump.
func dumpSignal() os.Signal { return os.Kill }
