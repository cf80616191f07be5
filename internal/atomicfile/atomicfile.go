// Package atomicfile owns how a file is replaced: whoever reads it finds the old
// content or the new one, whole, also after a crash. It does not lock; two
// writers at once both succeed and the later one wins.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile makes data the content of path with exactly the permissions perm,
// whatever the umask. A symlink is followed, so that the file it names is
// replaced and the link stays. The directory must exist. A path at which
// something other than a regular file stands is refused.
func WriteFile(path string, data []byte, perm os.FileMode) error {
	return write(path, perm, true, bytes(data))
}

// WriteVolatile is WriteFile without waiting for the disk, for what means nothing
// after a reboot: when the system goes down, the file may be left empty.
func WriteVolatile(path string, data []byte, perm os.FileMode) error {
	return write(path, perm, false, bytes(data))
}

// Write is WriteFile for content that fill writes, piece by piece, into a temporary
// file of mode 0600 in the same directory. An error of fill leaves path as it was.
func Write(path string, perm os.FileMode, fill func(*os.File) error) error {
	return write(path, perm, true, fill)
}

func bytes(data []byte) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.Write(data)
		return err
	}
}

func write(path string, perm os.FileMode, sync bool, fill func(*os.File) error) (err error) {
	target, err := resolve(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	dir := filepath.Dir(target)
	f, err := os.CreateTemp(dir, "."+filepath.Base(target)+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, errors.Join(err, f.Close(), os.Remove(f.Name())))
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if sync {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := os.Rename(f.Name(), target); err != nil {
		return err
	}
	_ = f.Close() // in place, and synced if it was to be: nothing can be lost any more
	if !sync {
		return nil
	}
	return SyncDir(dir)
}

// resolve follows symlinks to the file that is to be replaced, which need not exist.
func resolve(path string) (string, error) {
	for range 40 { // the kernel's own limit is 40 links
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil
		case err != nil:
			return "", err
		case info.Mode().IsRegular():
			return path, nil
		case info.Mode()&fs.ModeSymlink == 0:
			return "", fmt.Errorf("it is no regular file (%s)", info.Mode().Type())
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(path), link)
		}
		path = link
	}
	return "", errors.New("too many symlinks")
}
