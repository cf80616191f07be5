package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Tree is a directory whose files are sent to a Sink. They may change meanwhile:
// what vanishes is passed over, and of a file that grows the part that was there.
type Tree struct {
	Root *os.Root
	Dir  string // slash-separated, below Root; "." for all of it
	As   string // its name in the sink

	// Private gives files mode 0600 and directories 0700, instead of their own permissions.
	Private bool
	// Skip tells which entries, by their slash-separated names below Dir, stay behind; nil for none.
	Skip func(name string) bool
	// Link returns the target that a symlink gets, or why it stays behind; nil leaves all behind.
	Link func(name, target string) (newTarget, why string)
}

// Left is something that was not taken along.
type Left struct {
	Name string `json:"name"` // in the sink
	Why  string `json:"why"`
}

// Send sends the tree and returns what it left behind that one might miss: sockets,
// devices, and links that Link refused.
func (t Tree) Send(ctx context.Context, to Sink) ([]Left, error) {
	s := sending{Tree: t, to: to}
	err := s.dir(ctx, "")
	return s.left, err
}

type sending struct {
	Tree
	to   Sink
	left []Left
}

// place is where the entry lies below Root, in the form of the system.
func (s *sending) place(name string) string {
	return filepath.FromSlash(path.Join(s.Dir, name))
}

// dir sends the directory name, "" for the whole tree.
func (s *sending) dir(ctx context.Context, name string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	d, err := s.Root.Open(s.place(name))
	if err != nil {
		return unlessGone(err)
	}
	info, err := d.Stat()
	var entries []os.DirEntry
	if err == nil {
		entries, err = d.ReadDir(-1)
	}
	if err := errors.Join(err, d.Close()); err != nil {
		return unlessGone(err)
	}
	perm := info.Mode().Perm() | 0o700
	if s.Private {
		perm = 0o700
	}
	if err := s.to.Mkdir(path.Join(s.As, name), perm); err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if err := s.entry(ctx, path.Join(name, e.Name()), e.Type()); err != nil {
			return err
		}
	}
	return nil
}

func (s *sending) entry(ctx context.Context, name string, kind fs.FileMode) error {
	if s.Skip != nil && s.Skip(name) {
		return nil
	}
	switch {
	case kind.IsDir():
		return s.dir(ctx, name)
	case kind.IsRegular():
		return s.file(ctx, name)
	case kind&fs.ModeSymlink != 0:
		return s.link(name)
	case kind&fs.ModeSocket != 0:
		s.leave(name, "it is a socket")
	case kind&fs.ModeNamedPipe != 0:
		s.leave(name, "it is a pipe")
	default:
		s.leave(name, "it is a device")
	}
	return nil
}

func (s *sending) leave(name, why string) {
	s.left = append(s.left, Left{path.Join(s.As, name), why})
}

func (s *sending) file(ctx context.Context, name string) (err error) {
	f, err := s.Root.Open(s.place(name))
	if err != nil {
		return unlessGone(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // it was one a moment ago
		s.leave(name, "it changed meanwhile")
		return nil
	}
	out := File{Name: path.Join(s.As, name), Mode: info.Mode().Perm(), Size: info.Size(), ModTime: info.ModTime()}
	if s.Private {
		out.Mode = 0o600
	}
	return s.to.File(ctx, out, f)
}

func (s *sending) link(name string) error {
	if s.Link == nil {
		s.leave(name, "it is a symlink")
		return nil
	}
	target, err := s.Root.Readlink(s.place(name))
	if err != nil {
		return unlessGone(err)
	}
	target, why := s.Link(name, target)
	if why != "" {
		s.leave(name, why)
		return nil
	}
	return s.to.Symlink(path.Join(s.As, name), target)
}

// unlessGone is nil when err means that the file is no longer there.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// LinkInside is the Link of a Tree for an archive: it keeps what leads to a place
// inside of the tree, and nothing else.
func LinkInside(name, target string) (string, string) {
	to := path.Clean(filepath.ToSlash(target))
	if err := checkLink(name, to); err != nil {
		return "", err.Error()
	}
	return to, ""
}

// checkLink tells whether a link at name leads, by target, to a place below the
// directory that name is relative to. As ".." may stand only in front, where it
// climbs directories and no links, a chain of such links cannot lead out either.
func checkLink(name, target string) error {
	switch {
	case target == "" || strings.ContainsRune(target, 0) || filepath.Separator == '\\' && strings.Contains(target, `\`):
		return fmt.Errorf("its target %q is no path", target)
	case path.IsAbs(target) || filepath.IsAbs(target) || filepath.VolumeName(target) != "":
		return fmt.Errorf("it leads to the absolute path %s", target)
	case path.Clean(target) != target:
		return fmt.Errorf("its target %s is not in the shortest form", target)
	}
	if to := path.Join(path.Dir(name), target); to == ".." || strings.HasPrefix(to, "../") {
		return fmt.Errorf("it leads out, to %s", target)
	}
	return nil
}
