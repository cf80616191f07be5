package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/profiles"
)

// SetupOptions is what a person may choose. The zero value leaves all to the profile.
type SetupOptions struct {
	Workspace string                           // written as agents.defaults.workspace; made absolute
	Port      int                              // written as gateway.port
	PassEnv   func(name string) (string, bool) // for variables of the config that the profile passes on; nil for none

	secret func() string // makes a credential; nil: newToken
}

// Action says what Setup did about one thing.
type Action string

// The actions.
const (
	Made    Action = "made"
	Kept    Action = "kept"
	Updated Action = "updated"
)

// SetupEntry is one directory or file that a profile needs.
type SetupEntry struct {
	Action Action
	What   string // "state dir", "config", …
	Path   string
	Note   string // what was set, or what about it a person should know; often ""
}

// SetupReport lists everything in the order of its making.
type SetupReport struct{ Entries []SetupEntry }

// Changed tells whether anything was made or updated.
func (r SetupReport) Changed() bool {
	for _, e := range r.Entries {
		if e.Action != Kept {
			return true
		}
	}
	return false
}

// Setup makes what p needs and lacks: state dir, config with a token of its own, log
// and session directories, workspace with its first files. What exists is kept; a
// config without gateway.mode or without a credential gets just these values, and
// one whose port or workspace o names gets those. A second run with the same options
// writes nothing.
//
// Everything is checked before anything is written: a config that is invalid (marked
// exitcode.Config), a place that is not writable or belongs to another user. Two
// Setups at once make one token.
func Setup(ctx context.Context, p profiles.Profile, o SetupOptions) (SetupReport, error) {
	return setup(ctx, p, o, thisHost())
}

// setupLock is the name of the lock under which a config is written, in the state dir.
const setupLock = "setup.lock"

func setup(ctx context.Context, p profiles.Profile, o SetupOptions, h host) (SetupReport, error) {
	if o.Port < 0 || o.Port > 65535 {
		return SetupReport{}, exitcode.With(exitcode.Usage, fmt.Errorf("port: must be a whole number from 1 to 65535, is %d", o.Port))
	}
	if o.Workspace != "" {
		abs, err := filepath.Abs(o.Workspace)
		if err != nil {
			return SetupReport{}, fmt.Errorf("workspace %s: %w", o.Workspace, err)
		}
		o.Workspace = abs
	}
	first, err := planSetup(p, o, h)
	if err != nil {
		return SetupReport{}, err
	}
	if !first.report().Changed() {
		return first.report(), nil // not even the lock file is touched
	}
	stateDir := first[0] // made before the others because the lock lies in it
	if err := stateDir.apply(); err != nil {
		return SetupReport{}, err
	}
	lock, err := lockfile.Acquire(ctx, filepath.Join(p.StateDir, setupLock))
	if err != nil {
		return SetupReport{}, fmt.Errorf("setup: %w", err)
	}
	report, err := setupLocked(p, o, h, stateDir)
	return report, errors.Join(err, lock.Close())
}

// setupLocked plans again, because another Setup may have been faster, and carries it out.
func setupLocked(p profiles.Profile, o SetupOptions, h host, stateDir step) (SetupReport, error) {
	plan, err := planSetup(p, o, h)
	if err != nil {
		return SetupReport{}, err
	}
	plan[0] = stateDir
	for i, s := range plan[1:] {
		if err := s.apply(); err != nil {
			return plan[:i+1].report(), err
		}
	}
	return plan.report(), nil
}

// Usable tells whether this process may run a gateway on the state dir of p: it is
// its own, and it can write there. A state dir that does not exist must be one that
// can be made. Nothing is changed.
func Usable(p profiles.Profile) error {
	h := thisHost()
	if err := h.owned(p.StateDir); err != nil {
		return err
	}
	if _, err := os.Stat(p.StateDir); missing(err) {
		return h.creatable("state dir", p.StateDir)
	}
	if err := h.writable(p.StateDir); err != nil {
		return fmt.Errorf("state dir %s is not writable: %w; make it writable (chmod 0700), or choose another", p.StateDir, err)
	}
	return nil
}

// step is one thing that is there or has to be made.
type step struct {
	SetupEntry
	do     func() error // nil when there is nothing to do
	placed Placement    // what do makes
}

func (s step) apply() error {
	if s.do == nil {
		return nil
	}
	if err := s.do(); err != nil {
		return fmt.Errorf("%s: %w", s.What, err)
	}
	return nil
}

type steps []step

func (list steps) report() SetupReport {
	r := SetupReport{Entries: make([]SetupEntry, len(list))}
	for i, s := range list {
		r.Entries[i] = s.SetupEntry
	}
	return r
}

// plannedFile is a file that is made when it is missing.
type plannedFile struct {
	what, path string
	data       []byte
}

// planSetup looks at everything and writes nothing. The first step is the state dir.
func planSetup(p profiles.Profile, o SetupOptions, h host) (steps, error) {
	if err := h.owned(p.StateDir); err != nil {
		return nil, err
	}
	stateDir, err := planDir(h, "state dir", p.StateDir)
	if err != nil {
		return nil, err
	}
	plan := steps{stateDir}
	if dir := filepath.Dir(p.ConfigPath); dir != p.StateDir {
		s, err := planDir(h, "config dir", dir)
		if err != nil {
			return nil, err
		}
		plan = append(plan, s)
	}
	config, cfg, err := planConfig(p, o)
	if err != nil {
		return nil, err
	}
	plan = append(plan, config)
	workspace := p.Workspace
	if w := cfg.Agents.Defaults.Workspace; w != "" {
		workspace = w
	}
	for _, d := range []struct{ what, path string }{
		{"log dir", p.LogDir()},
		{"session dir", filepath.Join(p.StateDir, "agents", "main", "sessions")},
		{"workspace", workspace},
	} {
		s, err := planDir(h, d.what, d.path)
		if err != nil {
			return nil, err
		}
		plan = append(plan, s)
	}
	if cfg.Agents.Defaults.SkipBootstrap {
		return plan, nil
	}
	files, err := workspaceFiles(workspace)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		s, err := planFile(h, f)
		if err != nil {
			return nil, err
		}
		plan = append(plan, s)
	}
	return plan, nil
}

func planDir(h host, what, path string) (step, error) {
	s := step{SetupEntry: SetupEntry{Action: Kept, What: what, Path: path}}
	info, err := os.Stat(path)
	switch {
	case missing(err):
		s.Action = Made
		s.do = func() error { return os.MkdirAll(path, 0o700) }
		s.placed = Placement{Path: path, Dir: true}
		return s, h.creatable(what, path)
	case err != nil:
		return s, fmt.Errorf("%s: %w", what, err)
	case !info.IsDir():
		return s, fmt.Errorf("%s %s: a file is in the way; move it or choose another place", what, path)
	}
	if what == "state dir" {
		s.Note = wideNote(info)
	}
	if err := h.writable(path); err != nil {
		return s, fmt.Errorf("%s %s is not writable: %w; make it writable or choose another place", what, path, err)
	}
	return s, nil
}

func planFile(h host, f plannedFile) (step, error) {
	s := step{SetupEntry: SetupEntry{Action: Kept, What: f.what, Path: f.path}}
	if _, err := os.Lstat(f.path); err == nil {
		return s, nil
	} else if !missing(err) {
		return s, fmt.Errorf("%s: %w", f.what, err)
	}
	s.Action = Made
	s.placed = Placement{Path: f.path, Data: f.data}
	s.do = func() error {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
			return err
		}
		return atomicfile.WriteFile(f.path, f.data, 0o600)
	}
	return s, h.creatable(f.what, f.path)
}
