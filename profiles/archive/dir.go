package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir is a directory that is being filled. It is a Sink in which nothing is ever
// replaced and out of which no name leads. Use it from one goroutine.
type Dir struct {
	root  *os.Root
	Files int   // regular files that it got
	Bytes int64 // in them
}

// OpenDir opens a directory, which exists, to be filled.
func OpenDir(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{root: root}, nil
}

// Close lets go of the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Mkdir makes a directory; one that is there already stays.
func (d *Dir) Mkdir(name string, perm fs.FileMode) error {
	if name == "." || name == "" {
		return nil
	}
	place := filepath.FromSlash(name)
	err := d.root.Mkdir(place, perm)
	if errors.Is(err, fs.ErrExist) {
		if info, statErr := d.root.Lstat(place); statErr == nil && info.IsDir() {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return d.root.Chmod(place, perm) // whatever the umask
}

// File makes a file of what r has, at most f.Size bytes of it. It fails when the
// name is taken.
func (d *Dir) File(ctx context.Context, f File, r io.Reader) (err error) {
	place := filepath.FromSlash(f.Name)
	out, err := d.root.OpenFile(place, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	n, err := copyUpTo(ctx, out, r, f.Size)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	d.Files++
	d.Bytes += n
	if err := out.Chmod(f.Mode.Perm() | 0o600); err != nil {
		return err
	}
	if f.ModTime.IsZero() {
		return nil
	}
	return d.root.Chtimes(place, f.ModTime, f.ModTime)
}

// Symlink makes a symlink, wherever it leads. It fails when the name is taken.
func (d *Dir) Symlink(name, target string) error {
	return d.root.Symlink(filepath.FromSlash(target), filepath.FromSlash(name))
}
