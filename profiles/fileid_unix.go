//go:build unix

package profiles

import (
	"os"
	"syscall"
)

// fileID names a file, whatever the path to it.
type fileID struct{ dev, ino uint64 }

func idOf(info os.FileInfo) fileID {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}
	}
	return fileID{uint64(st.Dev), st.Ino}
}
