package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"
)

// Writer writes one archive. It is a Sink for the workspace and for the agents;
// config and .env have methods of their own. Use it from one goroutine and Close it.
type Writer struct {
	gz    *gzip.Writer
	tar   *tar.Writer
	made  map[string]bool // directories of the config
	Files int             // regular files that it got, the manifest left out
	Bytes int64           // in them
}

// NewWriter begins an archive with its manifest, whose format it fills in.
func NewWriter(w io.Writer, m Manifest) (*Writer, error) {
	m.Format = Format
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	gz := gzip.NewWriter(w)
	out := &Writer{gz: gz, tar: tar.NewWriter(gz), made: map[string]bool{}}
	raw = append(raw, '\n')
	if len(raw) > maxManifest {
		return nil, fmt.Errorf("the manifest has %d bytes, more than the %d that can be read back", len(raw), maxManifest)
	}
	if err := out.header(tar.TypeReg, manifestName, 0o600, int64(len(raw)), m.Created); err != nil {
		return nil, err
	}
	_, err = out.tar.Write(raw)
	return out, err
}

func (w *Writer) header(kind byte, name string, perm fs.FileMode, size int64, t time.Time) error {
	return w.tar.WriteHeader(&tar.Header{Typeflag: kind, Name: name, Mode: int64(perm.Perm()), Size: size, ModTime: t.Truncate(time.Second)})
}

// Config adds a file of the config: ConfigName, or one that it includes, by its
// slash-separated name relative to the config's directory.
func (w *Writer) Config(name string, data []byte) error {
	if err := w.configDirs(path.Join(configDir, path.Dir(name))); err != nil {
		return err
	}
	return w.bytes(path.Join(configDir, name), data)
}

// configDirs adds the directory and those above it unless they are there.
func (w *Writer) configDirs(dir string) error {
	if w.made[dir] || dir == "." {
		return nil
	}
	if err := w.configDirs(path.Dir(dir)); err != nil {
		return err
	}
	w.made[dir] = true
	return w.Mkdir(dir, 0o700)
}

// Env adds the .env file.
func (w *Writer) Env(data []byte) error { return w.bytes(envName, data) }

func (w *Writer) bytes(name string, data []byte) error {
	return w.File(context.Background(), File{Name: name, Mode: 0o600, Size: int64(len(data))}, bytes.NewReader(data))
}

// Mkdir adds a directory.
func (w *Writer) Mkdir(name string, perm fs.FileMode) error {
	return w.header(tar.TypeDir, name+"/", perm, 0, time.Time{})
}

// Symlink adds a symlink.
func (w *Writer) Symlink(name, target string) error {
	return w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

// smallFile is read before its header is written, so that it may change meanwhile.
const smallFile = 256 << 10

// File adds a file of exactly f.Size bytes, as the header names the size before
// the content. A small one that has become shorter is added as it is now; a larger
// one is an error.
func (w *Writer) File(ctx context.Context, f File, r io.Reader) error {
	if f.Size <= smallFile {
		data, err := io.ReadAll(io.LimitReader(r, f.Size))
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		f.Size, r = int64(len(data)), bytes.NewReader(data)
	}
	if err := w.header(tar.TypeReg, f.Name, f.Mode, f.Size, f.ModTime); err != nil {
		return err
	}
	n, err := copyUpTo(ctx, w.tar, r, f.Size)
	if err == nil && n < f.Size {
		err = fmt.Errorf("it became shorter while it was read, %d instead of %d bytes; export again", n, f.Size)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	w.Files++
	w.Bytes += n
	return nil
}

// Close ends the archive. What it was written to stays open.
func (w *Writer) Close() error { return errors.Join(w.tar.Close(), w.gz.Close()) }
