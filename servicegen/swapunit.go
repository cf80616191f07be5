package servicegen

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// seenAt is what d shows at its path, or behind the link there, as a change of it
// must find it.
func (d OnDisk) seenAt() (path string, place swapfile.Place, err error) {
	switch d.State {
	case FileMissing:
		return d.Path, swapfile.Place{Kind: swapfile.Missing}, nil
	case FileMasked, FileDangling:
		return d.Path, swapfile.Place{Kind: swapfile.Link, Target: d.Link}, nil
	case FileText, FileEmpty:
		path = d.Path
		if d.Link != "" {
			path, err = filepath.EvalSymlinks(d.Path)
		}
		return path, swapfile.Holds(d.Raw, swapfile.ModeOf(d.Mode)), err
	}
	return "", place, fmt.Errorf("%s is not a file; move it away", d.Path)
}

// writeOver puts text at the path of u, where seen was found: what somebody has
// written since then stays, and nothing is written. A file of one user is private,
// since paths and profile names are nobody else's business; one of the system is
// readable by all, as its manager demands.
func writeOver(u Unit, seen OnDisk, text []byte) error {
	dirMode, mode := os.FileMode(0o700), swapfile.Mode(0o600)
	if u.Scope == ScopeSystem {
		dirMode, mode = 0o755, 0o644
	}
	if err := os.MkdirAll(filepath.Dir(u.Path), dirMode); err != nil {
		return fmt.Errorf("service %s: make its directory: %w", u.Name, err)
	}
	path, from, err := seen.seenAt()
	if err != nil {
		return fmt.Errorf("service %s: %w", u.Name, err)
	}
	err = swapfile.Change{Path: path, From: from, To: swapfile.Holds(text, mode), Data: text, Spare: spareOf(path)}.Do()
	if changed, ok := errors.AsType[*swapfile.ChangedError](err); ok {
		if changed.Kept != "" { // out of the way of sweep
			if kept := fmt.Sprintf("%s.%d.kept", path, os.Getpid()); os.Rename(changed.Kept, kept) == nil {
				changed.Kept = kept
			}
		}
		return fmt.Errorf("service %s: somebody else has just changed %s; look at it, then try again: %w", u.Name, u.Path, changed)
	}
	if err != nil {
		return fmt.Errorf("service %s: write %s: %w", u.Name, u.Path, err)
	}
	return nil
}

// spareOf is where a change of path keeps what it puts there; see sweep.
func spareOf(path string) string {
	return filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d.tmp", filepath.Base(path), os.Getpid()))
}

// restoreOver brings p back where wrote was put since, unless somebody has changed
// that: their text stays, and the error says so.
func (p place) restoreOver(wrote []byte, mode swapfile.Mode) error {
	path, to := p.path, swapfile.Place{Kind: swapfile.Missing}
	switch {
	case p.found && p.raw == nil && p.link != "":
		to = swapfile.Place{Kind: swapfile.Link, Target: p.link}
	case p.found:
		to = swapfile.Holds(p.raw, swapfile.ModeOf(p.mode))
		if real, err := filepath.EvalSymlinks(p.path); p.link != "" && err == nil {
			path = real
		}
	}
	now, _, err := swapfile.Look(path)
	if err != nil || now == to {
		return err
	}
	err = swapfile.Change{Path: path, From: swapfile.Holds(wrote, mode), To: to, Data: p.raw, Spare: spareOf(path)}.Do()
	if changed, ok := errors.AsType[*swapfile.ChangedError](err); ok {
		return fmt.Errorf("it stays as somebody else has left it: %w", changed)
	}
	return err
}
