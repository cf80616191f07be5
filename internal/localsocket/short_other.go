//go:build !linux

package localsocket

// byDescriptor fails: this system has no path for an open directory.
func byDescriptor(string, string) (string, func(), error) { return "", nil, ErrTooLong }
