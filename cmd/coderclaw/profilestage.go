package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/profiles/archive"
)

// staged is a profile in the making. Its files are gathered in a directory beside
// the place of its state dir, and take that place in the moment in which the
// registry gets its entry: until then there is neither.
type staged struct {
	app     *app
	options profiles.CreateOptions
	planned profiles.Profile // where it will lie
	tmp     string
	dir     *archive.Dir // of tmp
	closed  bool         // dir is
}

var errPlanned = errors.New("only planned")

// stage checks that a profile of that name can be made and begins to gather its
// files. The caller commits or discards it.
func (a *app) stage(ctx context.Context, name string, o profiles.CreateOptions) (*staged, error) {
	s := &staged{app: a, options: o}
	plan := o
	plan.Prepare = func(p profiles.Profile) error {
		s.planned = p
		return errPlanned
	}
	if _, err := a.createProfile(ctx, name, plan); !errors.Is(err, errPlanned) {
		return nil, err
	}
	if err := unused(s.planned.StateDir); err != nil {
		return nil, err
	}
	var err error
	if s.tmp, err = os.MkdirTemp(filepath.Dir(s.planned.StateDir), ".coderclaw-"+s.planned.Name+".new-*"); err != nil {
		return nil, fmt.Errorf("profile %s: %w", s.planned.Name, err)
	}
	if s.dir, err = archive.OpenDir(s.tmp); err != nil {
		return nil, errors.Join(fmt.Errorf("profile %s: %w", s.planned.Name, err), os.Remove(s.tmp))
	}
	return s, nil
}

// unused refuses a state dir that is there already, such as one that a removed
// profile has left.
func unused(dir string) error {
	_, err := os.Lstat(dir)
	if err == nil {
		return exitcode.With(exitcode.Failed, fmt.Errorf("%s exists already; move it away or choose another name", dir))
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// asStaged is the profile as it lies now, in the temporary directory.
func (s *staged) asStaged() profiles.Profile {
	p := s.planned
	p.StateDir, p.ConfigPath, p.Workspace = s.tmp, filepath.Join(s.tmp, archive.ConfigName), filepath.Join(s.tmp, archive.WorkspaceDir)
	return p
}

// commit puts the files in their place and the profile into the registry.
func (s *staged) commit(ctx context.Context) (profiles.Profile, error) {
	for _, dir := range []string{"logs", "agents", "agents/main", "agents/main/sessions", archive.WorkspaceDir} {
		if err := s.dir.Mkdir(dir, 0o700); err != nil {
			return profiles.Profile{}, errors.Join(err, s.discard())
		}
	}
	moved := ""
	o := s.options
	o.Prepare = func(p profiles.Profile) error {
		if err := unused(p.StateDir); err != nil {
			return err
		}
		if err := s.close(); err != nil { // some systems move no directory that is open
			return err
		}
		if err := os.Rename(s.tmp, p.StateDir); err != nil {
			return err
		}
		moved = p.StateDir
		return nil
	}
	p, err := s.app.createProfile(ctx, s.planned.Name, o)
	if err == nil {
		return p, nil
	}
	if moved != "" {
		s.tmp = moved
	}
	return p, errors.Join(err, s.discard())
}

// discard removes what was gathered.
func (s *staged) discard() error { return errors.Join(s.close(), os.RemoveAll(s.tmp)) }

// close lets go of the directory, once.
func (s *staged) close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.dir.Close()
}

// made is the machine form of a profile that was cloned or imported.
type made struct {
	Profile   profileJSON    `json:"profile"`
	From      string         `json:"from"`
	Files     int            `json:"files"`
	Bytes     int64          `json:"bytes"`
	Settings  map[string]any `json:"settings"`  // of the registry that came along
	Renewed   []string       `json:"renewed"`   // keys of the config with a new credential
	Removed   []string       `json:"removed"`   // keys of the config that name the place of the source
	Repointed []string       `json:"repointed"` // keys of the config whose path now leads to the new place
	Secrets   []string       `json:"secrets"`   // keys of the config with a secret that the source has too
	Missing   []string       `json:"missing"`   // keys of the config whose secret did not come along
	Left      []archive.Left `json:"left"`      // files that did not come along
	Problem   string         `json:"problem,omitempty"`
}

// adapt makes the config of one profile, which lay at from, that of the new one.
func (s *staged) adapt(b *config.Bundle, from archive.Origin, renewAll bool, into *made) error {
	if err := b.Rename(archive.ConfigName); err != nil {
		return err
	}
	for _, key := range []string{"gateway.port", "agents.defaults.workspace"} {
		found, err := b.Remove(strings.Split(key, ".")...)
		if err != nil {
			return err
		}
		if found {
			into.Removed = append(into.Removed, key)
		}
	}
	var err error
	into.Repointed, err = b.Repoint(from.Home, config.Move{From: from.Workspace, To: s.planned.Workspace}, config.Move{From: from.StateDir, To: s.planned.StateDir})
	if err != nil {
		return err
	}
	if into.Renewed, err = b.RenewCredentials(renewAll); err != nil {
		return err
	}
	into.Missing = b.Redacted()
	into.Secrets = slices.DeleteFunc(b.Secrets(), func(key string) bool { return slices.Contains(into.Renewed, key) })
	return b.Write(s.tmp)
}

// finish commits the profile and says what was made.
func (s *staged) finish(ctx context.Context, into made, asJSON bool) error {
	a := s.app
	into.Files, into.Bytes = s.dir.Files, s.dir.Bytes
	p, err := s.commit(ctx)
	if err != nil {
		return err
	}
	lookup, _, err := config.Environment(p, a.env)
	if err == nil {
		_, err = config.CheckProfile(ctx, p, lookup)
	}
	if err != nil {
		into.Problem = err.Error()
	}
	into.Profile = toProfileJSON(p)
	if asJSON {
		for _, list := range []*[]string{&into.Renewed, &into.Removed, &into.Repointed, &into.Secrets, &into.Missing} {
			*list = orEmpty(*list)
		}
		if into.Left == nil {
			into.Left = []archive.Left{}
		}
		return a.printJSON(into)
	}
	fmt.Fprintf(a.stdout, "made profile %s from %s with ports %d to %d in %s\n", p.Name, into.From, p.Port, p.Block().Last(), p.StateDir)
	fmt.Fprintf(a.stdout, "copied %d files, %s\n", into.Files, byteCount(into.Bytes))
	for _, key := range slices.Sorted(maps.Keys(into.Settings)) {
		fmt.Fprintf(a.stdout, "took over %s = %v\n", key, into.Settings[key])
	}
	for _, line := range []struct {
		text string
		keys []string
	}{
		{"made anew", into.Renewed}, {"left out, as it names the place of the source", into.Removed}, {"led to the new place", into.Repointed},
		{"the same secret as in the source", into.Secrets}, {"fill in, as the secret did not come along", into.Missing},
	} {
		for _, key := range line.keys {
			fmt.Fprintf(a.stdout, "%s: %s\n", line.text, key)
		}
	}
	a.printLeft(into.Left)
	if into.Problem != "" {
		fmt.Fprintf(a.stderr, "It cannot start yet: %s\n", into.Problem)
	}
	fmt.Fprintf(a.stdout, "Start it with: %s\n", hint(p, "gateway"))
	return nil
}

func (a *app) printLeft(left []archive.Left) {
	for _, l := range left {
		fmt.Fprintf(a.stderr, "left behind %s: %s\n", l.Name, l.Why)
	}
}
