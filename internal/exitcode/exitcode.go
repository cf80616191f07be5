// Package exitcode owns the process exit codes of coderclaw and the error type
// that carries one from where a failure is known to where the process ends.
//
// It does not print anything and does not end the process; cmd does both.
package exitcode

import "errors"

// Code is a process exit status that scripts, systemd and the supervisor may rely on.
type Code int

// The table. 75, 77 and 78 are EX_TEMPFAIL, EX_NOPERM and EX_CONFIG of sysexits.h.
const (
	OK         Code = 0  // done
	Failed     Code = 1  // failed, or error/warning findings are left
	Usage      Code = 2  // bad command line or environment
	NotRunning Code = 3  // nothing is running
	Busy       Code = 75 // a port or a lock is held by somebody else
	Auth       Code = 77 // no usable credential, or a bind that needs one
	Config     Code = 78 // config or registry invalid
)

// Error is an error that decides the exit code of the process.
type Error struct {
	Code Code
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// With marks err with the code c. A nil err stays nil. The outermost mark wins.
func With(c Code, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: c, Err: err}
}

// Of returns the exit code of err: OK for nil, the outermost mark, else Failed.
func Of(err error) Code {
	if err == nil {
		return OK
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Failed
}
