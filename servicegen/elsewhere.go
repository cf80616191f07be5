package servicegen

import (
	"fmt"
	"path/filepath"

	"github.com/coderclaw/coderclaw/profiles"
)

// Elsewhere is the file from which the manager has loaded a unit of u's name when
// that is not u's: the caller looks below another HOME or XDG_CONFIG_HOME than the
// manager, or a package brought one. It is "" otherwise. Such a unit is not u, and
// what is done to u must not be done to it.
func (s State) Elsewhere(u Unit) string {
	if s.LoadState != LoadLoaded || s.FragmentPath == "" || u.Path == "" || profiles.SamePlace(s.FragmentPath, u.Path) {
		return ""
	}
	// Behind a link the manager names either end, and the far one may be gone.
	if target := Observe(u.Spec.Format, u.Path).Link; target != "" {
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(u.Path), target)
		}
		if filepath.Clean(target) == filepath.Clean(s.FragmentPath) {
			return ""
		}
	}
	return s.FragmentPath
}

// elsewhereError refuses to install where the manager would not look first.
func elsewhereError(u Unit, path string) error {
	return fmt.Errorf("service %s: the manager has one of that name from %s, which would stand before %s; if that one is yours, run this with the HOME and XDG_CONFIG_HOME of your login, else remove that file",
		u.Name, path, u.Path)
}
