//go:build linux || darwin

package doctor

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// observeSpace asks the file system on which dir lies, or will lie.
func observeSpace(dir string) SpaceFact {
	var st unix.Statfs_t
	for unix.Statfs(dir, &st) != nil {
		above := filepath.Dir(dir)
		if above == dir {
			return SpaceFact{}
		}
		dir = above
	}
	size, device := uint64(st.Bsize), ""
	var info unix.Stat_t
	if unix.Stat(dir, &info) == nil {
		device = fmt.Sprintf("device %d:%d", unix.Major(uint64(info.Dev)), unix.Minor(uint64(info.Dev)))
	}
	return SpaceFact{Device: device, Free: st.Bavail * size, Total: st.Blocks * size, InodesFree: st.Ffree, Inodes: st.Files}
}
