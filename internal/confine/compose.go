package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// rights are what may be done with a file, or with everything in a directory.
type rights uint8

const (
	read    rights = 1 << iota // open, list, execute
	write                      // change, make, remove
	nothing rights = 0
)

// rule grants rights. The kernel knows no other kind of rule: rights of several
// rules add up, and what is granted on a directory holds for all in it.
type rule struct {
	path   string
	dir    bool
	rights rights
}

// entry is one name in a directory.
type entry struct {
	name    string
	dir     bool
	symlink bool
	secret  bool // its mode keeps others from reading it; told only where root looks for such
}

// filesystem is what composing must see of the files.
type filesystem interface {
	list(dir string) ([]entry, error)
	isDir(path string) (dir, exists bool)
}

// maxEntries bounds the rules for one directory that must be granted entry by
// entry: each costs some 3 µs of a start.
const maxEntries = 1000

// mark is the place of a tree of directories at which other rights begin.
type mark struct {
	set    bool // false for a place that is only on the way to others
	rights rights
	below  map[string]*mark
}

// at sets the rights of path, which is absolute, clean and free of symlinks, and
// of everything in it that has no mark of its own.
func (m *mark) at(path string, r rights) {
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name == "" {
			continue
		}
		if m.below[name] == nil {
			if m.below == nil {
				m.below = map[string]*mark{}
			}
			m.below[name] = &mark{}
		}
		m = m.below[name]
	}
	m.set, m.rights = true, r
}

// lowers tells whether a place below has not all of r.
func (m *mark) lowers(r rights) bool {
	for _, b := range m.below {
		if b.set && r&^b.rights != 0 || b.lowers(r) {
			return true
		}
	}
	return false
}

// composer turns marks, which may lower rights, into rules, which can only add
// some: a directory in which something has fewer rights is granted entry by
// entry, without those.
type composer struct {
	fs    filesystem
	rules []rule
	notes []string // what is not granted though a mark says so
}

// compose adds the rules for the tree of marks below path. have are the rights
// that rules above grant already.
func (c *composer) compose(path string, m *mark, inherited, have rights) {
	want := inherited
	if m.set {
		want = m.rights
	}
	if want&^have == 0 {
		want = have // nothing to add here; below, only more than this counts
	}
	if m.lowers(want) && want != have {
		c.each(path, m, want)
		return
	}
	if want != have {
		dir, exists := c.fs.isDir(path)
		if !exists {
			return
		}
		c.rules = append(c.rules, rule{path, dir, want})
		have = want
	}
	for _, name := range slices.Sorted(maps.Keys(m.below)) {
		c.compose(filepath.Join(path, name), m.below[name], want, have)
	}
}

// each grants the entries of a directory one by one. What is made in it later is
// not granted, nor may anything be made.
func (c *composer) each(path string, m *mark, want rights) {
	entries, err := c.fs.list(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		c.notes = append(c.notes, fmt.Sprintf("%s: %v", path, err))
	case len(entries) > maxEntries:
		c.notes = append(c.notes, fmt.Sprintf("%s: it holds what is hidden, and %d entries are too many to grant the others one by one", path, len(entries)))
		entries = nil
	case want&write != 0:
		c.notes = append(c.notes, path+": nothing new can be made right in it, because it holds what belongs to others")
	}
	for _, e := range entries {
		if m.below[e.name] == nil && !e.symlink { // where a symlink leads has rights of its own
			c.rules = append(c.rules, rule{filepath.Join(path, e.name), e.dir, want})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.below)) {
		c.compose(filepath.Join(path, name), m.below[name], want, nothing)
	}
}
