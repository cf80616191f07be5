//go:build !linux

package instance

import "os"

// pipeHolds is what an empty pipe surely takes at once.
const pipeHolds = 0

// handoffPipe makes the pipe whose one end the child inherits.
func handoffPipe(bool) (theirs, ours *os.File, err error) { return os.Pipe() }

// outputPipe makes the pipe into which the child prints.
func outputPipe() (ours, theirs *os.File, err error) {
	ours, theirs, err = os.Pipe()
	if err == nil {
		_ = theirs.Fd() // makes it a blocking one; a program may not expect EAGAIN
	}
	return ours, theirs, err
}
