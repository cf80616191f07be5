//go:build unix

package client

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ownerOf is whom the files in a directory have to belong to, when that is somebody
// else than this process acts as.
func ownerOf(info fs.FileInfo) *owner {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return nil
	}
	return &owner{int(st.Uid), int(st.Gid)}
}

// owner is a user in whose state dir root acts.
type owner struct{ uid, gid int }

// write makes text the content of a file below stateDir, of that owner. The owner may do
// what he likes there meanwhile: no link leads out of stateDir, and nothing changes hands
// but what was made here.
func (o owner) write(stateDir, path string, text []byte) (err error) {
	root, err := os.OpenRoot(stateDir)
	if err != nil {
		return err
	}
	defer root.Close()
	dir := filepath.Dir(path)
	switch err := root.Mkdir(dir, 0o700); {
	case err == nil:
		if err := root.Lchown(dir, o.uid, o.gid); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	temp := filepath.Join(dir, "."+filepath.Base(path)+".tmp")
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one that was killed
		return err
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chown(o.uid, o.gid), f.Close()); err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return root.Rename(temp, path)
}
