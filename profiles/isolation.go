package profiles

import (
	"errors"
	"fmt"
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
				if samePlace(path, own.path) || inside(path, own.path) {
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
// directory right below the root or the one for everybody's configuration. home
// is the registry's. Not all of them need exist; one may contain another.
func (p Profile) Owned(home string) []string {
	out := []string{p.StateDir, p.Workspace, p.ConfigPath}
	dir := filepath.Dir(p.ConfigPath)
	shared := filepath.Dir(filepath.Dir(dir)) == filepath.Dir(dir) || // the root, or right below it
		samePlace(dir, home) || inside(home, dir) || samePlace(dir, filepath.Join(home, ".config"))
	if !shared {
		out = append(out, dir)
	}
	return out
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
