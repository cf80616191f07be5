//go:build unix

package client

import (
	"io/fs"
	"os"
	"syscall"
)

// ours tells whether a directory belongs to the user that this process acts as.
func ours(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(st.Uid) == os.Geteuid()
}
