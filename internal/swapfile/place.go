// Package swapfile owns the change of one path from what was seen there to
// something else: compare and swap for files, links and directories. Who reads the
// path finds the old or the new, whole, also after a crash, and what somebody else
// wrote in between is put back instead of lost.
//
// It keeps no record of what it did, and takes no locks.
package swapfile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// Kind is what stands at a path.
type Kind string

// The kinds.
const (
	Missing Kind = "missing"
	File    Kind = "file"
	Link    Kind = "link" // a symlink
	Dir     Kind = "directory"
	Other   Kind = "other" // a device, socket or pipe
)

// Mode is the twelve bits of permissions, as chmod takes them; as text in octal.
type Mode uint16

// ModeOf takes the permissions out of what the system says of a file.
func ModeOf(m fs.FileMode) Mode {
	out := Mode(m.Perm())
	for bit, as := range map[fs.FileMode]Mode{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			out |= as
		}
	}
	return out
}

// FileMode is m as package os takes it.
func (m Mode) FileMode() fs.FileMode {
	out := fs.FileMode(m & 0o777)
	for bit, as := range map[fs.FileMode]Mode{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&as != 0 {
			out |= bit
		}
	}
	return out
}

func (m Mode) String() string { return fmt.Sprintf("%04o", uint16(m)) }

// MarshalText writes m in octal.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads octal.
func (m *Mode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 12)
	if err != nil {
		return fmt.Errorf("permissions %q: want up to four octal digits", text)
	}
	*m = Mode(n)
	return nil
}

// Place is what stands at one path at one moment. The zero value is no place.
type Place struct {
	Kind   Kind   `json:"kind"`
	Mode   Mode   `json:"mode,omitempty"`   // of a file or a directory
	Hash   string `json:"hash,omitempty"`   // of a file: hex SHA-256 of its content
	Target string `json:"target,omitempty"` // of a link
}

func (p Place) String() string {
	switch p.Kind {
	case File:
		if len(p.Hash) < 12 {
			return fmt.Sprintf("a file, mode %s", p.Mode)
		}
		return fmt.Sprintf("a file, mode %s, sha256 %s…", p.Mode, p.Hash[:12])
	case Link:
		return "a link to " + p.Target
	case Dir:
		return fmt.Sprintf("a directory, mode %s", p.Mode)
	case Missing:
		return "nothing"
	}
	return "a device, socket or pipe"
}

// Holds is the place of a file with that content.
func Holds(data []byte, mode Mode) Place {
	return Place{Kind: File, Mode: mode, Hash: Hash(data)}
}

// Hash is the hex SHA-256 of data.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// MaxFile bounds the files that are looked into, in bytes. What is changed here
// are service files and configs, which are thousands of times smaller.
const MaxFile = 16 << 20

// ErrLarge says that a file is larger than MaxFile.
var ErrLarge = errors.New("larger than 16 MiB")

// Look tells what stands at path, whose links are not followed, and the content
// of a file.
func Look(path string) (Place, []byte, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Place{Kind: Missing}, nil, nil
	case err != nil:
		return Place{}, nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return Place{Kind: Link, Target: target}, nil, err
	case info.IsDir():
		return Place{Kind: Dir, Mode: ModeOf(info.Mode())}, nil, nil
	case !info.Mode().IsRegular():
		return Place{Kind: Other}, nil, nil
	}
	f, err := openFile(path)
	if err != nil {
		return Place{}, nil, err
	}
	defer f.Close()
	return read(f)
}

// read looks at an open file.
func read(f *os.File) (Place, []byte, error) {
	info, err := f.Stat()
	if err != nil {
		return Place{}, nil, err
	}
	if !info.Mode().IsRegular() { // another one took its place since Lstat
		return Place{Kind: Other}, nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(data) > MaxFile {
		err = &fs.PathError{Op: "read", Path: f.Name(), Err: ErrLarge}
	}
	if err != nil {
		return Place{}, nil, err
	}
	return Holds(data, ModeOf(info.Mode())), data, nil
}
