//go:build unix

package sshdtest

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

func (l login) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if l.other {
		attr.Credential = &syscall.Credential{Uid: uint32(l.uid), Gid: uint32(l.gid)}
	}
	return attr
}

// own gives the files of the server to whom it runs as.
func (l login) own(dir string, names ...string) error {
	if !l.other {
		return nil
	}
	err := os.Chmod(dir, 0o755)
	for _, name := range names {
		err = errors.Join(err, os.Chown(filepath.Join(dir, name), l.uid, l.gid))
	}
	return err
}
