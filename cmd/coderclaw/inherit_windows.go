package main

import "os"

// openInherited takes over handle n.
func openInherited(n int, variable string) (*os.File, error) {
	return os.NewFile(uintptr(n), variable), nil
}
