package profiles

import (
	"os"
	"path/filepath"
	"slices"
)

// disk remembers where paths really lead, so that what many profiles have in
// common is looked up once. It is for one pass over a registry.
type disk struct{ seen map[string]node }

// node is a path with all links resolved. id is that of what is there, the zero
// value when nothing is or the system has no such thing.
type node struct {
	real string
	id   fileID
}

func newDisk() *disk { return &disk{seen: map[string]node{}} }

// at resolves an absolute path, whose last parts need not exist.
func (d *disk) at(path string) node { return d.follow(path, 0) }

func (d *disk) follow(path string, links int) node {
	if n, ok := d.seen[path]; ok {
		return n
	}
	dir := filepath.Dir(path)
	n := node{real: path}
	if dir != path {
		n.real = filepath.Join(d.follow(dir, links).real, filepath.Base(path))
	}
	info, err := os.Lstat(n.real)
	switch {
	case err != nil:
	case info.Mode()&os.ModeSymlink == 0:
		n.id = idOf(info)
	default:
		if target, err := os.Readlink(n.real); err == nil && links < maxLinks {
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(n.real), target)
			}
			n = d.follow(filepath.Clean(target), links+1)
		}
	}
	d.seen[path] = n
	return n
}

// line is the node of path and those of the directories that it lies in.
func (d *disk) line(path string) []node {
	n := d.at(path)
	out := []node{n}
	for p := n.real; filepath.Dir(p) != p; {
		p = filepath.Dir(p)
		out = append(out, d.at(p))
	}
	return out
}

// index finds the profiles that may share a place with another without a look at
// each pair.
type index struct {
	disk   *disk
	places *lookup // the places of profiles
	above  *lookup // the directories that those lie in
}

// lookup finds profiles by where something lies and by what it is.
type lookup struct {
	path map[string][]int
	id   map[fileID][]int
}

func newLookup() *lookup { return &lookup{map[string][]int{}, map[fileID][]int{}} }

func (l *lookup) add(n node, profile int) {
	l.path[n.real] = append(l.path[n.real], profile)
	if n.id != (fileID{}) {
		l.id[n.id] = append(l.id[n.id], profile)
	}
}

func (l *lookup) find(n node) []int {
	if n.id == (fileID{}) {
		return l.path[n.real]
	}
	return append(slices.Clone(l.path[n.real]), l.id[n.id]...)
}

func newIndex() *index { return &index{newDisk(), newLookup(), newLookup()} }

// add returns those of the profiles added before that may share a place with p,
// each once, and adds p under its number.
func (x *index) add(p Profile, number int) []int {
	var near []int
	lines := [][]node{x.disk.line(p.StateDir), x.disk.line(p.ConfigPath), x.disk.line(p.Workspace)}
	for _, line := range lines {
		for _, n := range line { // a place of another that this one is, or lies in
			near = append(near, x.places.find(n)...)
		}
		near = append(near, x.above.find(line[0])...) // a place of another that lies in this one
	}
	for _, line := range lines {
		x.places.add(line[0], number)
		for _, n := range line[1:] {
			if last := x.above.path[n.real]; len(last) == 0 || last[len(last)-1] != number {
				x.above.add(n, number)
			}
		}
	}
	slices.Sort(near)
	return slices.Compact(near)
}
