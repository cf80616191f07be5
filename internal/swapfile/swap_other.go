//go:build !linux && !darwin

package swapfile

import "errors"

// exchange is not to be had on this system.
func exchange(string, string) error { return errors.ErrUnsupported }

// closed cannot tell here whether somebody has the file open.
func closed(string) bool { return true }
