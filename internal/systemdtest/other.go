//go:build !linux

package systemdtest

// Main runs the tests of m; a sandbox exists only on Linux.
func Main(m interface{ Run() int }) int { return m.Run() }
