package profiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// Home is the directory below which state dirs lie: CODERCLAW_HOME, else HOME,
// else USERPROFILE.
func Home(env Lookup) (string, error) {
	home := ""
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if v, _ := env(name); v != "" {
			home = v
			break
		}
	}
	if v, _ := env("CODERCLAW_HOME"); v != "" {
		expanded, err := expand(v, home)
		if err != nil {
			return "", exitcode.With(exitcode.Usage, fmt.Errorf("CODERCLAW_HOME: %w", err))
		}
		return expanded, nil
	}
	if home == "" {
		return "", exitcode.With(exitcode.Usage, errors.New("no home directory: set HOME or CODERCLAW_HOME"))
	}
	if !filepath.IsAbs(home) {
		return "", exitcode.With(exitcode.Usage, fmt.Errorf("the home directory %q is not an absolute path; set HOME or CODERCLAW_HOME to one", home))
	}
	return filepath.Clean(home), nil
}

// RegistryPath is where the registry lies: CODERCLAW_REGISTRY, else
// coderclaw/profiles.toml in the configuration directory of this system's users.
func RegistryPath(env Lookup) (string, error) {
	home, err := Home(env)
	if err != nil {
		return "", err
	}
	if v, _ := env("CODERCLAW_REGISTRY"); v != "" {
		path, err := expand(v, home)
		if err != nil {
			return "", exitcode.With(exitcode.Usage, fmt.Errorf("CODERCLAW_REGISTRY: %w", err))
		}
		return path, nil
	}
	return filepath.Join(configDir(env, home), "coderclaw", "profiles.toml"), nil
}

func configDir(env Lookup, home string) string {
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Library", "Application Support")
	case "windows":
		if v, _ := env("AppData"); v != "" {
			return v
		}
		return filepath.Join(home, "AppData", "Roaming")
	}
	if v, _ := env("XDG_CONFIG_HOME"); filepath.IsAbs(v) { // a relative one is to be ignored, says its specification
		return v
	}
	return filepath.Join(home, ".config")
}

// expand makes a path that a person gave absolute and clean; a leading ~ means home.
func expand(path, home string) (string, error) {
	if strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("%q holds a zero byte, which no path can", path)
	}
	if path == "~" || strings.HasPrefix(path, "~/") {
		if home == "" {
			return "", fmt.Errorf("%q needs a home directory; set HOME", path)
		}
		path = filepath.Join(home, path[1:])
	}
	return filepath.Abs(path)
}

// maxLinks is how many links may lead to a place that does not exist.
const maxLinks = 40

// realPath resolves the symlinks of the part of path that exists.
func realPath(path string) string {
	rest, links := "", 0
	for p := path; ; {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(real, rest)
		}
		if target, err := os.Readlink(p); err == nil && links < maxLinks { // to a place that does not exist yet
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(p), target)
			}
			p, links = target, links+1
			continue
		}
		dir := filepath.Dir(p)
		if dir == p {
			return path
		}
		rest = filepath.Join(filepath.Base(p), rest)
		p = dir
	}
}

// SamePlace tells whether two paths name the same file or directory, now or once it
// exists: links are followed.
func SamePlace(a, b string) bool {
	a, b = filepath.Clean(a), filepath.Clean(b)
	if a == b || realPath(a) == realPath(b) {
		return true
	}
	ia, errA := os.Stat(a)
	ib, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(ia, ib)
}

// inside tells whether path lies below dir.
func inside(path, dir string) bool {
	for p := realPath(path); ; {
		parent := filepath.Dir(p)
		if parent == p {
			return false
		}
		if SamePlace(parent, dir) {
			return true
		}
		p = parent
	}
}
