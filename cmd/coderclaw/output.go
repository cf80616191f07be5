package main

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"
)

// output is the standard output of a command, which remembers that something could not
// be written: a command whose answer is lost has not done what it was asked. Its
// methods are safe for concurrent use as far as those of the stream are.
type output struct {
	to    io.Writer
	wrong atomic.Pointer[error] // the first
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil {
		o.wrong.CompareAndSwap(nil, &err)
	}
	return n, err
}

// failed is the first error of a write. A reader that has gone away has seen enough, and
// so has a person whose terminal is closed.
func (o *output) failed() error {
	err := o.wrong.Load()
	if err == nil || errors.Is(*err, syscall.EPIPE) || errors.Is(*err, syscall.EIO) {
		return nil
	}
	return *err
}

// streamOf is what an output writes to, and any other stream itself.
func streamOf(stream any) any {
	if o, ok := stream.(*output); ok {
		return o.to
	}
	return stream
}
