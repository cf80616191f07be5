//go:build unix

package supervisor

import (
	"fmt"
	"os"
	"syscall"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
)

const errReadOnly = syscall.EROFS

// ownStateDir refuses a state dir that is not of the user uid: its files would
// end up belonging to two, and neither could run it afterwards.
func ownStateDir(p profiles.Profile, uid int) error {
	info, err := os.Stat(p.StateDir)
	if err != nil {
		return fmt.Errorf("profile %s: state dir: %w", p.Name, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("profile %s: state dir %s is not a directory", p.Name, p.StateDir)
	}
	if owner := ownerOf(info); owner != uid {
		return fmt.Errorf("profile %s: state dir %s belongs to user %s, but this is user %s; run it as its owner, or choose another state dir",
			p.Name, p.StateDir, proctable.UserName(owner), proctable.UserName(uid))
	}
	return nil
}

// ownPrivate tells whether a directory belongs to the user uid and lets nobody else in.
func ownPrivate(info os.FileInfo, uid int) bool {
	return info.IsDir() && ownerOf(info) == uid && info.Mode().Perm()&0o077 == 0
}

// ownerOf is the user id of a file's owner, -1 if unknown.
func ownerOf(info os.FileInfo) int {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1
	}
	return int(st.Uid)
}

// ownership describes a file: "belongs to user www and has mode 0755".
func ownership(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "cannot be looked at"
	}
	return fmt.Sprintf("belongs to user %s and has mode %04o", proctable.UserName(ownerOf(info)), info.Mode().Perm())
}

// me is the name of the user that runs this process.
func me() string { return "user " + proctable.UserName(os.Getuid()) }
