package servicegen

import (
	"path/filepath"
	"slices"
	"strings"
)

// AllDropIns returns every drop-in of the unit in the order in which they apply.
// more are paths of drop-ins from other directories, as State.DropIns names them;
// those near the file are known already. One that is gone has no text.
func (o OnDisk) AllDropIns(more ...string) []DropIn {
	all := slices.Clone(o.DropIns)
	for _, path := range more {
		if !slices.ContainsFunc(all, func(d DropIn) bool { return filepath.Base(d.Path) == filepath.Base(path) }) {
			all = append(all, readDropIn(path))
		}
	}
	slices.SortStableFunc(all, func(a, b DropIn) int { return strings.Compare(filepath.Base(a.Path), filepath.Base(b.Path)) })
	return all
}

// CommandOf reads argv and environment of a service file, as far as it can be
// read; both are empty for one that cannot. Words are as written: specifiers and
// doubled signs stay.
func CommandOf(f Format, src []byte) (argv []string, env []EnvVar) { return commandOf(f, src) }
