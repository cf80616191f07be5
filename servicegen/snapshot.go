package servicegen

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// snapshot is what stood on disk of a service before it was changed: its file, the
// links that enable it or give it other names, a mask elsewhere, and which
// directories were not there. Drop-ins are not in it, since nothing changes them.
type snapshot struct {
	files []place
	links map[string]string // path of each link, and where it leads
	unit  string            // path of the service file
	mode  swapfile.Mode     // that a service file gets
	wrote []byte            // what was put there since, nil for nothing
	pulls []string          // directories of links beside the file
	fresh []string          // directories that did not exist, the deepest first
}

// take remembers u as it is. mask is where the manager found it masked, "" for nowhere.
func take(u Unit, mask string) (snapshot, error) {
	s := snapshot{unit: u.Path, mode: 0o600, links: linksOf(u.Path), pulls: linkDirsOf(u.Path)}
	if u.Scope == ScopeSystem {
		s.mode = 0o644
	}
	paths := []string{u.Path}
	if mask != "" && filepath.Clean(mask) != filepath.Clean(u.Path) {
		paths = append(paths, mask)
	}
	for _, path := range paths {
		p, err := remember(path)
		if err != nil {
			return s, err
		}
		s.files = append(s.files, p)
	}
	for dir := filepath.Dir(u.Path); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			return s, nil
		}
		s.fresh = append(s.fresh, dir)
	}
}

// restore brings everything back that is no longer as it was.
func (s snapshot) restore() error {
	var errs []error
	now := linksOf(s.unit)
	for _, path := range slices.Sorted(maps.Keys(now)) {
		if s.links[path] != now[path] {
			errs = append(errs, removeIfThere(path))
		}
	}
	for _, p := range s.files {
		if p.path == s.unit && s.wrote != nil {
			errs = append(errs, p.restoreOver(s.wrote, s.mode))
		} else {
			errs = append(errs, p.restore())
		}
	}
	for _, path := range slices.Sorted(maps.Keys(s.links)) {
		if now[path] == s.links[path] {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, os.Symlink(s.links[path], path))
	}
	for _, dir := range linkDirsOf(s.unit) {
		if !slices.Contains(s.pulls, dir) {
			_ = os.Remove(dir) // one that holds anything stays
		}
	}
	for _, dir := range s.fresh {
		_ = os.Remove(dir)
	}
	return errors.Join(errs...)
}

// linkDirs are the endings of the directories by which a unit is pulled in.
var linkDirs = []string{".wants", ".requires", ".upholds"}

// linkDirsOf returns the directories of links beside a unit file.
func linkDirsOf(unitPath string) []string {
	entries, err := os.ReadDir(filepath.Dir(unitPath))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if slices.Contains(linkDirs, filepath.Ext(e.Name())) {
			out = append(out, filepath.Join(filepath.Dir(unitPath), e.Name()))
		}
	}
	return out
}

// linksOf returns the links beside a unit file that enable it or name it otherwise.
func linksOf(unitPath string) map[string]string {
	dir, name := filepath.Split(unitPath)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if slices.Contains(linkDirs, filepath.Ext(e.Name())) {
			path = filepath.Join(path, name)
		} else if e.Name() == name || e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		target, err := os.Readlink(path)
		if err != nil || filepath.Dir(path) == filepath.Clean(dir) && filepath.Base(target) != name {
			continue
		}
		out[path] = target
	}
	return out
}

// sweep removes what a writer of the file at path left when it was killed (see
// atomicfile), beside it or beside what a link there leads to. Whoever calls it
// keeps other writers away.
func sweep(path string) error {
	if path == "" {
		return nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil && real != path && real != os.DevNull {
		if err := sweep(real); err != nil {
			return err
		}
	}
	dir, name := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil // a directory that cannot be read will be met by whoever writes there
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "."+name+".") && strings.HasSuffix(e.Name(), ".tmp") && e.Type().IsRegular() {
			if err := removeIfThere(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove what an interrupted writer left: %w", err)
			}
		}
	}
	return nil
}
