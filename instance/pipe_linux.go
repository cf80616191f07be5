package instance

import (
	"os"

	"golang.org/x/sys/unix"
)

// handoffPipe makes the pipe whose one end the child inherits. Both ends do not
// block, from the start on: the flag belongs to the pipe and not to a process,
// and a child that finds it changed takes "nothing there yet" for an error.
func handoffPipe() (theirs, ours *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(p[0]), "hand-off"), os.NewFile(uintptr(p[1]), "hand-off"), nil
}
