package servicegen

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// FileState says what stands at the path of a service file.
type FileState string

// The file states. A manager loads only FileText; FileEmpty and FileMasked both
// mean "masked" to systemd, which then refuses to start the unit.
const (
	FileMissing    FileState = "missing"
	FileText       FileState = "file"
	FileEmpty      FileState = "empty"
	FileMasked     FileState = "masked"   // a symlink to /dev/null
	FileDangling   FileState = "dangling" // a symlink to nothing, or in a circle
	FileDirectory  FileState = "directory"
	FileSpecial    FileState = "special"    // a device, socket or pipe
	FileUnreadable FileState = "unreadable" // Err says why
)

// OnDisk is the view "on disk" before it is parsed: one service file and what
// lies around it.
type OnDisk struct {
	Path    string
	State   FileState
	Link    string // target of the symlink at Path, "" when it is none
	Mode    fs.FileMode
	Raw     []byte // FileText only
	Hash    string // hex SHA-256 of Raw
	Err     error  // FileUnreadable only
	DropIns []DropIn
	Targets []string // systemd: the targets that start it by a link beside the file; none means disabled
}

// StartedBy tells whether target starts the unit by a link beside its file.
func (o OnDisk) StartedBy(target string) bool { return slices.Contains(o.Targets, target) }

// DropIn is one .conf file that changes a systemd unit.
type DropIn struct {
	Path string
	Raw  []byte
	Err  error // why it could not be read
}

// maxServiceFile bounds what is read; no service file comes near it.
const maxServiceFile = 16 << 20

// Observe looks at the service file at path. It never fails: what cannot be
// read is part of what it reports.
func Observe(f Format, path string) OnDisk {
	o := OnDisk{Path: path}
	o.State, o.Err = o.look()
	if o.State == FileText {
		sum := sha256.Sum256(o.Raw)
		o.Hash = hex.EncodeToString(sum[:])
	}
	if f == FormatSystemd {
		o.DropIns = dropInsIn(path + ".d")
		for _, link := range wantLinks(path) {
			o.Targets = append(o.Targets, strings.TrimSuffix(filepath.Base(filepath.Dir(link)), ".wants"))
		}
	}
	return o
}

func (o *OnDisk) look() (FileState, error) {
	info, err := os.Lstat(o.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return FileMissing, nil
	}
	if err != nil {
		return FileUnreadable, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if o.Link, err = os.Readlink(o.Path); err != nil {
			return FileUnreadable, err
		}
		if filepath.Clean(o.Link) == os.DevNull {
			return FileMasked, nil
		}
		info, err = os.Stat(o.Path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
			return FileDangling, nil
		}
		if err != nil {
			return FileUnreadable, err
		}
		if resolved, err := filepath.EvalSymlinks(o.Path); err == nil && resolved == os.DevNull {
			return FileMasked, nil
		}
	}
	o.Mode = info.Mode()
	switch {
	case info.IsDir():
		return FileDirectory, nil
	case !info.Mode().IsRegular():
		return FileSpecial, nil
	case info.Size() == 0:
		return FileEmpty, nil
	}
	if o.Raw, err = readBounded(o.Path); err != nil {
		return FileUnreadable, err
	}
	return FileText, nil
}

var (
	errHuge    = errors.New("larger than 16 MiB, which no service file is")
	errNotFile = errors.New("not a file")
)

// readBounded refuses what is no regular file before it is opened: a pipe would
// block for ever.
func readBounded(path string) ([]byte, error) {
	switch info, err := os.Stat(path); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() && !isNull(path):
		return nil, &fs.PathError{Op: "read", Path: path, Err: errNotFile}
	case info.Size() > maxServiceFile:
		return nil, &fs.PathError{Op: "read", Path: path, Err: errHuge}
	}
	return os.ReadFile(path)
}

// isNull tells whether path leads to /dev/null, by which a drop-in is masked.
func isNull(path string) bool {
	resolved, err := filepath.EvalSymlinks(path)
	return err == nil && resolved == os.DevNull
}

// View parses the file with its drop-ins: what a manager would load from it.
// alone leaves the drop-ins out, which is what a desired view is held against.
// more are drop-ins from other directories, as State.DropIns names them; those
// near the file are known already. A state other than FileText gives an empty
// view, for which every managed key is missing.
func (o OnDisk) View(f Format, scope Scope, alone bool, more ...string) (View, error) {
	if o.State != FileText {
		return View{Format: f, Values: map[string]string{}}, nil
	}
	if alone {
		return ParseView(f, scope, o.Raw)
	}
	var texts [][]byte
	for _, d := range o.AllDropIns(more...) {
		if d.Err != nil {
			return View{}, d.Err
		}
		texts = append(texts, d.Raw)
	}
	return ParseView(f, scope, o.Raw, texts...)
}

func dropInsIn(dir string) []DropIn {
	entries, err := os.ReadDir(dir) // sorted by name, the order in which they apply
	if err != nil {
		return nil
	}
	var out []DropIn
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".conf") && !e.IsDir() {
			out = append(out, readDropIn(filepath.Join(dir, e.Name())))
		}
	}
	return out
}

func readDropIn(path string) DropIn {
	raw, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) { // gone since the manager read it, or a dangling link
		return DropIn{Path: path}
	}
	return DropIn{Path: path, Raw: raw, Err: err}
}

// wantLinks returns the links by which targets in the directory of a unit file
// start that unit.
func wantLinks(unitPath string) []string {
	dir, name := filepath.Split(unitPath)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".wants") {
			continue
		}
		link := filepath.Join(dir, e.Name(), name)
		if _, err := os.Lstat(link); err == nil {
			out = append(out, link)
		}
	}
	return out
}
