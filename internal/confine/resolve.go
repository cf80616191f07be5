package confine

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks bounds how many symlinks one path may lead through, as the kernel's 40 does.
const maxLinks = 40

// resolver follows symlinks, of the part of a path that exists. It remembers
// what it saw, because the paths of many profiles have the same beginning. Not
// for concurrent use.
type resolver struct {
	known map[string]string
	links int // followed for the path in hand
}

// resolve returns the place that path, which is absolute, leads to.
func (r *resolver) resolve(path string) string {
	r.links = 0
	return r.from("/", path)
}

func (r *resolver) from(dir, rest string) string {
	for name := range strings.SplitSeq(rest, "/") {
		switch name {
		case "", ".":
		case "..":
			dir = filepath.Dir(dir)
		default:
			dir = r.step(dir, name)
		}
	}
	return dir
}

// step goes from a resolved directory to one name in it.
func (r *resolver) step(dir, name string) string {
	path := filepath.Join(dir, name)
	if real, ok := r.known[path]; ok {
		return real
	}
	real := path
	if target, err := os.Readlink(path); err == nil && r.links < maxLinks { // most are no symlinks, and that is an error
		r.links++
		if filepath.IsAbs(target) {
			dir = "/"
		}
		real = r.from(dir, target)
	}
	if r.known == nil {
		r.known = map[string]string{}
	}
	r.known[path] = real
	return real
}
