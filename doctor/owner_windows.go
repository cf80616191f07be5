package doctor

import "io/fs"

// ownerOf is -1: this system has no uids.
func ownerOf(fs.FileInfo) int { return -1 }
