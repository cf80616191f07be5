//go:build unix

package doctor

import (
	"io/fs"
	"syscall"
)

// ownerOf is the uid of a file's owner, -1 when unknown.
func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
