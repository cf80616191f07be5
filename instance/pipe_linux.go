package instance

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// pipeHolds is what an empty pipe takes at once, however little the system gives it.
const pipeHolds = 4096

// handoffPipe makes the pipe whose one end the child inherits. Neither end blocks, from
// the start on: the flag belongs to the pipe and not to a process, and a child that finds
// it changed takes "nothing there yet" for an error. The runtime's poller gets only what has
// to be waited for, which is our end where the message does not fit: to take a descriptor in
// costs more than to make the pipe.
func handoffPipe(fits bool) (theirs, ours *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	theirs = os.NewFile(uintptr(p[0]), "hand-off") // os sees one that blocks
	if fits {
		ours = os.NewFile(uintptr(p[1]), "hand-off")
	}
	err = errors.Join(unix.SetNonblock(p[0], true), unix.SetNonblock(p[1], true))
	if !fits {
		ours = os.NewFile(uintptr(p[1]), "hand-off")
	}
	return theirs, ours, err
}

// outputPipe makes the pipe into which the child prints. Only our end does not
// block: a program may not expect EAGAIN. os sees it as one that does, and so keeps
// it from the runtime's poller, where it would be waited for a second time.
func outputPipe() (ours, theirs *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	ours, theirs = os.NewFile(uintptr(p[0]), "output"), os.NewFile(uintptr(p[1]), "output")
	return ours, theirs, unix.SetNonblock(p[0], true)
}
