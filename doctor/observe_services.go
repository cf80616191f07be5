package doctor

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// UnitDir is a directory of service files.
type UnitDir struct {
	Path  string
	Scope servicegen.Scope
}

// Neighbour is the service file of a gateway, of whatever product.
type Neighbour struct {
	Name    string // of the unit or job
	Path    string
	Scope   servicegen.Scope
	Product string // "coderclaw", another product of the family, or "" for a stranger on one of our ports
	Ours    bool   // it runs our supervisor
	Node    bool   // it is of the Node product of this name
	Argv    []string
	Port    int // where its gateway listens, 0 when unknown
	Enabled bool

	Profiles []string // that our supervisor would run; none with All
	All      bool
	Registry string // that it reads, "" for the one of its user
}

// ServiceDirs are the directories in which managers look for service files.
func ServiceDirs(f servicegen.Format, env func(string) (string, bool)) []UnitDir {
	var out []UnitDir
	if dir, err := servicegen.UnitDir(f, servicegen.ScopeUser, env); err == nil && dir != "" {
		out = append(out, UnitDir{dir, servicegen.ScopeUser})
	}
	switch f {
	case servicegen.FormatSystemd:
		for _, dir := range []string{"/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"} {
			out = append(out, UnitDir{dir, servicegen.ScopeUser})
		}
		for _, dir := range []string{"/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"} {
			out = append(out, UnitDir{dir, servicegen.ScopeSystem})
		}
	case servicegen.FormatLaunchd:
		out = append(out, UnitDir{"/Library/LaunchAgents", servicegen.ScopeUser}, UnitDir{"/Library/LaunchDaemons", servicegen.ScopeSystem})
	}
	return out
}

// Bounds of a look into directories of service files.
const (
	maxUnits = 5000
	maxUnit  = 256 << 10
)

// observeServices looks through the directories for gateways. What cannot be read
// is passed over.
func observeServices(f servicegen.Format, dirs []UnitDir, home string) []Neighbour {
	suffix := ".service"
	if f == servicegen.FormatLaunchd {
		suffix = ".plist"
	}
	started := enabledIn(dirs)
	var out []Neighbour
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir.Path)
		if err != nil {
			continue
		}
		for _, entry := range entries[:min(len(entries), maxUnits)] {
			name, ok := strings.CutSuffix(entry.Name(), suffix)
			if !ok || entry.IsDir() {
				continue
			}
			path := filepath.Join(dir.Path, entry.Name())
			text, err := readUnit(path)
			if err != nil || !strings.Contains(strings.ToLower(string(text)), "gateway") && !strings.Contains(string(text), "supervisor") && !strings.Contains(strings.ToLower(string(text)), "port") {
				continue
			}
			if f == servicegen.FormatSystemd {
				name = entry.Name()
			}
			s := Neighbour{Name: name, Path: path, Scope: dir.Scope}
			if s.read(f, text, home) {
				s.Enabled = f != servicegen.FormatSystemd || started[UnitDir{entry.Name(), dir.Scope}] // launchd loads whatever lies there
				out = append(out, s)
			}
		}
	}
	return out
}

var errNotUnit = errors.New("no service file")

// readUnit reads a small regular file.
func readUnit(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxUnit {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errNotUnit}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxUnit))
}

// enabledIn are the units that targets in one of the directories start.
func enabledIn(dirs []UnitDir) map[UnitDir]bool {
	out := map[UnitDir]bool{} // name and scope
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir.Path) // one that cannot be read starts nothing that we know of
		for _, entry := range entries {
			if !strings.HasSuffix(entry.Name(), ".wants") && !strings.HasSuffix(entry.Name(), ".requires") {
				continue
			}
			links, _ := os.ReadDir(filepath.Join(dir.Path, entry.Name()))
			for _, link := range links {
				out[UnitDir{link.Name(), dir.Scope}] = true
			}
		}
	}
	return out
}

// products are the gateways of this family that share port and habits.
var products = []string{"coderclaw", "openclaw", "clawdbot", "moltbot"}

// familyPort is where all of the family listen unless told otherwise.
const familyPort = 18789

// read fills in what the text says, and tells whether it is of interest.
func (s *Neighbour) read(f servicegen.Format, text []byte, home string) bool {
	argv, env := servicegen.CommandOf(f, text)
	s.Argv = argv
	vars := map[string]string{}
	for _, v := range env {
		vars[v.Name] = v.Value
	}
	s.Product = product(s.Name, argv, vars, home)
	s.Port = portOf(argv, vars)
	if i := slices.Index(argv, "supervisor"); i > 0 && i+1 < len(argv) && argv[i+1] == "run" {
		s.Ours, s.Registry = true, vars["CODERCLAW_REGISTRY"]
		s.supervised(argv[i+2:])
		return true
	}
	if s.Product == "" {
		return s.Port != 0
	}
	gateway := slices.Contains(argv, "gateway") || strings.Contains(s.Name, "gateway")
	for name, value := range vars {
		gateway = gateway || strings.HasSuffix(name, "_SERVICE_KIND") && value == "gateway"
	}
	if !gateway {
		return false // a node host and the like
	}
	s.Node = s.Product == "coderclaw"
	if s.Port == 0 {
		s.Port = familyPort
	}
	return true
}

// supervised reads the arguments of `supervisor run`.
func (s *Neighbour) supervised(args []string) {
	for i := 0; i < len(args); i++ {
		value, joined := strings.CutPrefix(args[i], "--profile=")
		switch {
		case joined:
			s.Profiles = append(s.Profiles, value)
		case args[i] == "--profile" && i+1 < len(args):
			i++
			s.Profiles = append(s.Profiles, args[i])
		case args[i] == "--all":
			s.All = true
		case !strings.HasPrefix(args[i], "-"):
			s.Profiles = append(s.Profiles, args[i])
		}
	}
	if len(s.Profiles) == 0 && !s.All {
		s.Profiles = []string{profiles.Default}
	}
}

// product tells whose service it is by its name, its program and its variables,
// but not by the name of somebody's home.
func product(name string, argv []string, vars map[string]string, home string) string {
	texts := []string{name}
	for _, a := range argv {
		if home != "" {
			a = strings.ReplaceAll(a, home+"/", "")
		}
		for _, root := range []string{"/home/", "/Users/"} {
			if rest, ok := strings.CutPrefix(a, root); ok {
				_, a, _ = strings.Cut(rest, "/")
			}
		}
		texts = append(texts, a)
	}
	for v := range vars {
		texts = append(texts, v)
	}
	all := strings.ToLower(strings.Join(texts, "\x00"))
	for _, p := range products {
		if strings.Contains(all, p) {
			return p
		}
	}
	return ""
}

// portOf is the port that a service is given by a flag or a variable, 0 if none.
func portOf(argv []string, vars map[string]string) int {
	for i, a := range argv {
		value, ok := strings.CutPrefix(a, "--port=")
		if a == "--port" && i+1 < len(argv) {
			value, ok = argv[i+1], true
		}
		if n, err := strconv.Atoi(value); ok && err == nil {
			return n
		}
	}
	for name, value := range vars {
		if n, err := strconv.Atoi(value); err == nil && (name == "PORT" || strings.HasSuffix(name, "_GATEWAY_PORT")) {
			return n
		}
	}
	return 0
}
