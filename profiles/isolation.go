package profiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// How far the kernel keeps a supervised gateway and its tools apart from the
// rest of the machine; docs/isolation.md says what each means.
const (
	IsolationStandard = "standard" // own directories and what Allow names; the default
	IsolationStrict   = "strict"   // own directories only
	IsolationOff      = "off"
)

func checkIsolation(mode string) error {
	modes := []string{IsolationStandard, IsolationStrict, IsolationOff}
	if !slices.Contains(modes, mode) {
		return fmt.Errorf("%q is no mode; use %s", mode, strings.Join(modes, ", "))
	}
	return nil
}

// absolute is the place that a value of the registry names.
func absolute(value, home string) (string, error) {
	if !filepath.IsAbs(value) && value != "~" && !strings.HasPrefix(value, "~/") {
		return "", fmt.Errorf("%q must be absolute or begin with ~/", value)
	}
	return expand(value, home)
}

// allowed is one path of allow, made absolute.
func allowed(value, home string) (string, error) {
	full, err := absolute(value, home)
	if err != nil {
		return "", err
	}
	if filepath.Dir(full) == full {
		return "", fmt.Errorf("%q is everything; to isolate nothing, write isolation = %q", value, IsolationOff)
	}
	return full, nil
}

// checkAllow tells whether p may be allowed all that it asks for. What lies in
// another profile's directories is never shared; a directory around them can be
// allowed, and they stay hidden in it.
func (r *Registry) checkAllow(p Profile) error {
	for _, path := range p.Allow {
		for _, other := range r.profiles {
			if other.Name == p.Name {
				continue
			}
			for _, own := range []struct{ what, path string }{{"config", other.ConfigPath}, {"workspace", other.Workspace}, {"state dir", other.StateDir}} {
				if SamePlace(path, own.path) || inside(path, own.path) {
					return fmt.Errorf("%s belongs to the %s of profile %s, %s, and no other can be allowed it", path, own.what, other.Name, own.path)
				}
			}
		}
	}
	return nil
}

// Owned are the places that are p's alone, and that an isolated gateway of
// another profile must not see: state dir, workspace, config, and the config's
// directory unless others use it as well: the home directory or one around it, a
// directory right below the root, or one for everybody's configuration. home is
// the registry's. Not all of them need exist; one may contain another.
func (p Profile) Owned(home string) []string {
	out := []string{p.StateDir, p.Workspace, p.ConfigPath}
	dir := filepath.Dir(p.ConfigPath)
	if dir == p.StateDir { // by far the most
		return out
	}
	shared := filepath.Dir(filepath.Dir(dir)) == filepath.Dir(dir) || // the root, or right below it
		SamePlace(dir, home) || inside(home, dir)
	for _, name := range []string{".config", filepath.Join(".config", "coderclaw")} {
		shared = shared || SamePlace(dir, filepath.Join(home, name))
	}
	if !shared {
		out = append(out, dir)
	}
	return out
}

// Territory knows what belongs to which profile. It is immutable and safe for
// concurrent use.
type Territory struct {
	home   string
	places []territoryPlace
}

type territoryPlace struct {
	owner, path string
	real        string // without symlinks
	outside     bool   // it is not in the home directory
}

// NewTerritory looks once where the places of the profiles lie; home is the registry's.
func NewTerritory(home string, ps []Profile) *Territory {
	t := &Territory{home: home}
	disk := newDisk()
	realHome := disk.at(home).real
	for _, p := range ps {
		for _, path := range p.Owned(home) {
			real := disk.at(path).real
			t.places = append(t.places, territoryPlace{p.Name, path, real, !below(real, realHome)})
		}
	}
	return t
}

// Hidden are the places of other profiles that p's gateway would see although
// the home directory is hidden from it: those outside, and those in what p may use.
func (t *Territory) Hidden(p Profile) []string {
	var open []string
	disk := newDisk()
	for _, path := range append(p.Owned(t.home), p.Allow...) {
		open = append(open, disk.at(path).real)
	}
	var out []string
	for _, place := range t.places {
		if place.owner == p.Name {
			continue
		}
		if place.outside || slices.ContainsFunc(open, func(dir string) bool { return below(place.real, dir) }) {
			out = append(out, place.path)
		}
	}
	return out
}

// below tells whether path is dir or lies in it, going by the names alone. Both are
// absolute and clean.
func below(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || os.IsPathSeparator(rest[0]) || os.IsPathSeparator(dir[len(dir)-1]))
}

// TempDir is for the temporary files of the gateway and its tools; nobody else uses it.
func (p Profile) TempDir() string { return filepath.Join(p.StateDir, "tmp") }

// resolveIsolation applies the two keys to p; allow is what the file or a person says.
func (p *Profile) resolveIsolation(mode string, allow []string, home string) (key string, err error) {
	if p.Isolation = IsolationStandard; mode != "" {
		p.Isolation = mode
	}
	if err := checkIsolation(p.Isolation); err != nil {
		return "isolation", err
	}
	for _, value := range allow {
		full, err := allowed(value, home)
		if err != nil {
			return "allow", err
		}
		if slices.Contains(p.Allow, full) {
			return "allow", errors.New(full + " is named twice")
		}
		p.Allow = append(p.Allow, full)
	}
	return "", nil
}
