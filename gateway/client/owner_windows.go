package client

import "io/fs"

// ours is always true: there are no numeric owners on this system.
func ours(fs.FileInfo) bool { return true }
