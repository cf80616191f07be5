package programtest

import (
	"context"
	"errors"
)

// Halt is not to be had here: this system has no signal that stops a process.
func Halt(context.Context, int) error { return errors.ErrUnsupported }
