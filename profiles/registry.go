package profiles

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// Registry is what one registry file says, checked: no two profiles of it
// overlap. It is immutable and safe for concurrent use.
type Registry struct {
	path, home string
	raw        []byte // nil when there is no file
	entries    map[string]entry
	settings   settings
	profiles   []Profile // in the order of List
}

// entry is one table of the file: only what differs from the rules.
type entry struct {
	Port      int      `toml:"port,omitempty"`
	StateDir  string   `toml:"state_dir,omitempty"`
	Config    string   `toml:"config,omitempty"`
	Workspace string   `toml:"workspace,omitempty"`
	PassEnv   []string `toml:"pass_env,omitempty"`
	Drain     string   `toml:"drain,omitempty"`
	Isolation string   `toml:"isolation,omitempty"`
	Allow     []string `toml:"allow,omitempty"`

	limitKeys // the keys of this stand beside the others
}

type document struct {
	Supervisor settings         `toml:"supervisor,omitempty"`
	Profiles   map[string]entry `toml:"profiles"`
}

// settings is what the file says of supervisors.
type settings struct {
	LKG         string `toml:"lkg,omitempty"`          // "on", which is the rule, or "off"
	MetricsPort *int   `toml:"metrics_port,omitempty"` // on 127.0.0.1; nil: metrics are only on the control socket
}

// Load reads the registry at path; home is where state dirs lie by rule. A file
// that does not exist holds the built-in profiles. Errors about the content
// carry the place in the file and exitcode.Config.
func Load(path, home string) (*Registry, error) { return load(path, home, true) }

// Peek is Load without a look at the disk for what profiles share there, which
// takes most of the time when there are many. It is for verbs that only show what
// others run: those have loaded it.
func Peek(path, home string) (*Registry, error) { return load(path, home, false) }

func load(path, home string, apart bool) (*Registry, error) {
	raw, err := readFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, exitcode.With(exitcode.Config, fmt.Errorf("registry: %w", err))
	}
	r, err := parse(path, home, raw, apart)
	if err != nil {
		return nil, exitcode.With(exitcode.Config, err)
	}
	return r, nil
}

// maxRegistry bounds the file, in bytes; a thousand profiles take a tenth of it.
const maxRegistry = 4 << 20

// readFile reads a registry. Anything but a file is refused before it is opened, for
// a pipe would block.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file; move it away", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxRegistry+1))
	if err == nil && len(raw) > maxRegistry {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxRegistry>>20)
	}
	return raw, errors.Join(err, f.Close())
}

// parse checks the text of a registry, also, with apart, for what profiles share on the
// disk.
func parse(path, home string, raw []byte, apart bool) (*Registry, error) {
	r, err := read(path, home, raw)
	if err == nil {
		err = r.checkPorts()
	}
	if err == nil && apart {
		err = r.checkPlaces()
	}
	return r, err
}

// read is parse without what the profiles may share.
func read(path, home string, raw []byte) (*Registry, error) {
	doc := document{Profiles: make(map[string]entry, bytes.Count(raw, []byte("[profiles.")))} // else it is made anew and anew while it grows
	dec := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, tomlError(path, err)
	}
	r := &Registry{path: path, home: home, raw: raw, entries: doc.Profiles, settings: doc.Supervisor}
	if lkg := doc.Supervisor.LKG; lkg != "" && lkg != "on" && lkg != "off" {
		return nil, fmt.Errorf("registry %s: supervisor.lkg: %q is neither \"on\" nor \"off\"", path, lkg)
	}
	names := []string{Default, Dev, Rescue}
	for _, name := range slices.Sorted(maps.Keys(doc.Profiles)) {
		if canonical, err := ParseName(name); err != nil {
			return nil, r.at(name, "", err)
		} else if canonical != name {
			return nil, r.at(name, "", fmt.Errorf("profile names are lower case; call it %q", canonical))
		}
		if !IsBuiltin(name) {
			names = append(names, name)
		}
	}
	r.profiles = make([]Profile, 0, len(names))
	for _, name := range names {
		p, err := r.resolve(name, doc.Profiles[name])
		if err != nil {
			return nil, err
		}
		r.profiles = append(r.profiles, p)
	}
	return r, nil
}

// checkPorts tells which profiles share ports.
func (r *Registry) checkPorts() error {
	blocks := make([]Block, len(r.profiles))
	for i := range r.profiles {
		blocks[i] = r.profiles[i].Block()
	}
	sorted := slices.Clone(blocks)
	slices.SortFunc(sorted, func(a, b Block) int { return a.Base - b.Base })
	for i := 1; i < len(sorted); i++ {
		if sorted[i-1].Overlaps(sorted[i]) {
			return r.portCollision(blocks)
		}
	}
	return r.checkMetricsPort()
}

// portCollision names the first two profiles, in their order, whose blocks overlap.
func (r *Registry) portCollision(blocks []Block) error {
	for number, b := range blocks {
		for i, other := range blocks[:number] {
			if other.Overlaps(b) {
				return r.at(r.profiles[number].Name, "", overlap(r.profiles[i], r.profiles[number]))
			}
		}
	}
	return nil
}

// checkPlaces tells what profiles share on the disk.
func (r *Registry) checkPlaces() error {
	places, own := newIndex(), newDisk().at(r.path)
	for number, p := range r.profiles {
		if places.disk.at(p.ConfigPath) == own {
			return r.at(p.Name, "config", errors.New("it is the registry itself"))
		}
		for _, i := range places.add(p, number) {
			if err := overlap(r.profiles[i], p); err != nil {
				return r.at(p.Name, "", err)
			}
		}
	}
	for _, p := range r.profiles {
		if err := r.checkAllow(p); err != nil {
			return r.at(p.Name, "allow", err)
		}
	}
	return nil
}

// resolve applies the rules to one entry.
func (r *Registry) resolve(name string, e entry) (Profile, error) {
	p := Profile{Name: name, Port: cmp.Or(e.Port, builtinBase(name)), PassEnv: e.PassEnv, Drain: DefaultDrain}
	if p.Port == 0 {
		return p, r.at(name, "", errors.New("it has no port; add one, for example port = 20000"))
	}
	if err := checkBase(p.Port); err != nil {
		return p, r.at(name, "port", err)
	}
	var err error
	place := func(key, value, rule string) string {
		if value == "" {
			return rule
		}
		full, absErr := absolute(value, r.home)
		if absErr != nil {
			err = cmp.Or(err, r.at(name, key, absErr))
		}
		return full
	}
	p.StateDir = place("state_dir", e.StateDir, ruleStateDir(r.home, name))
	dir := strings.TrimSuffix(p.StateDir, string(filepath.Separator)) // it is clean, and filepath.Join would clean it again
	p.ConfigPath = place("config", e.Config, dir+string(filepath.Separator)+configName)
	p.Workspace = place("workspace", e.Workspace, dir+string(filepath.Separator)+workspaceName)
	if err != nil {
		return p, err
	}
	for _, v := range e.PassEnv {
		if err := checkPassEnv(v); err != nil {
			return p, r.at(name, "pass_env", err)
		}
	}
	if e.Drain != "" {
		if p.Drain, err = parseDrain(e.Drain); err != nil {
			return p, r.at(name, "drain", err)
		}
	}
	limits, key, err := e.parse()
	if err != nil {
		return p, r.at(name, key, err)
	}
	p.Limits = limits
	if key, err := p.resolveIsolation(e.Isolation, e.Allow, r.home); err != nil {
		return p, r.at(name, key, err)
	}
	return p, nil
}

const (
	configName    = "coderclaw.json"
	workspaceName = "workspace"
)

// ruleStateDir is the state dir of a profile that names none.
func ruleStateDir(home, name string) string {
	if name == Default {
		return filepath.Join(home, ".coderclaw")
	}
	return filepath.Join(home, ".coderclaw-"+name)
}

// ByRule is the default profile with the places that it has in a registry that says nothing of it.
func ByRule(home string) Profile {
	dir := ruleStateDir(home, Default)
	return Profile{Name: Default, Port: builtinBase(Default), StateDir: dir, ConfigPath: filepath.Join(dir, configName),
		Workspace: filepath.Join(dir, workspaceName), Drain: DefaultDrain}
}

// Bounds of a drain; below the first nothing could end, beyond the second a stop seems to hang.
const (
	minDrain = time.Second
	maxDrain = 10 * time.Minute
)

func parseDrain(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < minDrain || d > maxDrain {
		return 0, fmt.Errorf("%q is no time from %s to %s, such as \"30s\"", s, minDrain, maxDrain)
	}
	return d, nil
}

func checkPassEnv(name string) error {
	for i, c := range name {
		if c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || i > 0 && c >= '0' && c <= '9' {
			continue
		}
		return fmt.Errorf("%q is not the name of a variable", name)
	}
	if name == "" || strings.HasPrefix(name, "CODERCLAW_") {
		return fmt.Errorf("%q cannot be passed on: it decides which gateway is meant", name)
	}
	return nil
}

// at adds to err the file, the line and the profile that it is about.
func (r *Registry) at(name, key string, err error) error {
	where := r.path
	if line := lineOf(r.raw, name, key); line > 0 {
		where = fmt.Sprintf("%s:%d", where, line)
	}
	if key != "" {
		key = key + ": "
	}
	return fmt.Errorf("registry %s: profile %s: %s%w", where, name, key, err)
}

// Path is where the registry lies, whether or not there is a file.
func (r *Registry) Path() string { return r.path }

// LastGood tells whether a gateway whose config has become invalid is started
// with the last one that was good.
func (r *Registry) LastGood() bool { return r.settings.LKG != "off" }

// Home is the directory below which its state dirs lie by rule.
func (r *Registry) Home() string { return r.home }

// List returns every profile: default, dev, rescue, then the others by name.
func (r *Registry) List() []Profile { return slices.Clone(r.profiles) }

// UnknownError says that the registry has no profile of this name.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("profile %q does not exist; create it with: coderclaw profiles create %s", e.Name, e.Name)
}

// Get returns the profile of that canonical name, or an *UnknownError.
func (r *Registry) Get(name string) (Profile, error) {
	for _, p := range r.profiles {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, exitcode.With(exitcode.Usage, &UnknownError{Name: name})
}

// Apart tells whether p, with paths that its config may have changed, shares
// nothing with the other profiles; the error is a *CollisionError.
func (r *Registry) Apart(p Profile) error {
	for _, other := range r.profiles {
		if other.Name == p.Name {
			continue
		}
		if err := overlap(other, p); err != nil {
			return err
		}
	}
	return nil
}

// Owner is the profile, other than except, whose block holds the port.
func (r *Registry) Owner(port int, except string) (Profile, bool) {
	for _, p := range r.profiles {
		if p.Name != except && p.Block().Contains(port) {
			return p, true
		}
	}
	return Profile{}, false
}
