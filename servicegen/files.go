package servicegen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
)

// Lookup reads one environment variable.
type Lookup = func(name string) (value string, ok bool)

// Unit names one service to a Host.
type Unit struct {
	Name  string // with suffix for systemd; the label for launchd
	Path  string // of its file, "" for FormatKardianos
	Scope Scope
	Spec  Spec // what managers without files of ours are told
}

// Unit returns the unit of s with its file in dir, as UnitDir gives it.
func (s Spec) Unit(dir string) Unit {
	u := Unit{Name: s.Name, Scope: s.Scope, Spec: s}
	switch s.Format {
	case FormatSystemd:
		u.Path = filepath.Join(dir, s.Name)
	case FormatLaunchd:
		u.Path = filepath.Join(dir, s.Name+".plist")
	}
	return u
}

// UnitDir returns the directory in which service files of a format and scope
// lie; "" for FormatKardianos. It follows HOME and XDG_CONFIG_HOME as the
// managers do, and not CODERCLAW_HOME, of which they know nothing.
func UnitDir(f Format, scope Scope, env Lookup) (string, error) {
	system := scope == ScopeSystem
	switch {
	case f == FormatKardianos:
		return "", nil
	case f == FormatSystemd && system:
		return "/etc/systemd/system", nil
	case f == FormatLaunchd && system:
		return "/Library/LaunchDaemons", nil
	}
	if f == FormatSystemd {
		// A relative value is void by the XDG rules.
		if dir, ok := env("XDG_CONFIG_HOME"); ok && filepath.IsAbs(dir) {
			return filepath.Join(dir, "systemd", "user"), nil
		}
	}
	home, ok := env("HOME")
	if !ok || !filepath.IsAbs(home) {
		return "", fmt.Errorf("find the directory of service files: HOME is %q; set it to an absolute path", home)
	}
	if f == FormatLaunchd {
		return filepath.Join(home, "Library", "LaunchAgents"), nil
	}
	return filepath.Join(home, ".config", "systemd", "user"), nil
}

// place is what stood at a path, to be put back.
type place struct {
	path  string
	link  string
	raw   []byte
	mode  fs.FileMode
	found bool
}

// remember reads what stands at path so that restore can bring it back.
func remember(path string) (place, error) {
	p := place{path: path}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, nil
	case err != nil:
		return p, err
	case info.Mode()&fs.ModeSymlink != 0:
		p.found = true
		if p.link, err = os.Readlink(path); err != nil {
			return p, err
		}
		target, err := os.Stat(path)
		if err != nil || !target.Mode().IsRegular() {
			return p, nil // nothing behind the link that writing could change
		}
		info = target
	case !info.Mode().IsRegular():
		return p, fmt.Errorf("%s is not a file; move it away", path)
	}
	p.found, p.mode = true, info.Mode().Perm()
	p.raw, err = readBounded(path)
	return p, err
}

func (p place) restore() error {
	switch {
	case !p.found:
		return removeIfThere(p.path)
	case p.link != "":
		if now, err := os.Readlink(p.path); err != nil || now != p.link {
			if err := removeIfThere(p.path); err != nil {
				return err
			}
			if err := os.Symlink(p.link, p.path); err != nil {
				return err
			}
		}
		if p.raw == nil {
			return nil
		}
	}
	return atomicfile.WriteFile(p.path, p.raw, p.mode)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
