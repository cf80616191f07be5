//go:build !unix

package config

import "io/fs"

// thisHost finds out about missing rights only when it writes: access lists cannot be
// judged beforehand.
func thisHost() host {
	return host{
		uid:      -1,
		ownerOf:  func(fs.FileInfo) (int, bool) { return 0, false },
		writable: func(string) error { return nil },
	}
}
