package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/profiles/archive"
)

// source is a profile whose files are read and not changed, whether it runs or not.
type source struct {
	profile   profiles.Profile
	settings  map[string]any
	config    *config.Bundle
	workspace string          // that the config names, else the profile's
	own       map[string]bool // files of the config that lie in the workspace, by their slash-separated names there
	origin    archive.Origin
}

// openSource reads the config of a registered profile and looks where the rest lies.
func (a *app) openSource(name string) (*source, error) {
	r, err := a.registry()
	if err != nil {
		return nil, err
	}
	if name, err = profiles.ParseName(name); err != nil {
		return nil, err
	}
	s := &source{own: map[string]bool{}}
	if s.profile, err = r.Get(name); err != nil {
		return nil, err
	}
	if s.settings, err = r.Settings(name); err != nil {
		return nil, err
	}
	if s.config, err = config.LoadBundle(s.profile); err != nil {
		return nil, err
	}
	for _, f := range s.config.Files()[1:] {
		if archive.Reserved(f.Name) {
			return nil, exitcode.With(exitcode.Config, fmt.Errorf("the config of profile %s includes %s, a name that coderclaw uses itself; give the file another", name, f.Name))
		}
	}
	if s.workspace, err = a.workspaceOf(s.profile, r.Home()); err != nil {
		return nil, err
	}
	for _, f := range s.config.Files() {
		file := filepath.Join(filepath.Dir(s.profile.ConfigPath), filepath.FromSlash(f.Name))
		if rel, err := filepath.Rel(s.workspace, file); err == nil && filepath.IsLocal(rel) {
			s.own[filepath.ToSlash(rel)] = true
		}
	}
	s.origin = archive.Origin{Home: r.Home(), StateDir: s.profile.StateDir, Workspace: s.workspace}
	if holds(s.workspace, s.profile.StateDir) {
		return nil, exitcode.With(exitcode.Failed, fmt.Errorf("the workspace %s of profile %s holds its state dir %s, and with it every secret; give it another workspace",
			s.workspace, name, s.profile.StateDir))
	}
	return s, nil
}

// workspaceOf is the workspace that the config of p names, else the profile's own.
func (a *app) workspaceOf(p profiles.Profile, home string) (string, error) {
	snap, _, err := a.configOf(p)
	if err != nil {
		return "", err
	}
	w := snap.Config.Agents.Defaults.Workspace
	if rest, ok := strings.CutPrefix(w, "~/"); ok {
		w = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(w) { // none, or one that the gateway refuses
		return p.Workspace, nil
	}
	return filepath.Clean(w), nil
}

// holds tells whether path is dir or lies below it, links followed where they exist.
func holds(dir, path string) bool {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && (rel == "." || filepath.IsLocal(rel))
}

// env is the content of the .env file, nil when there is none.
func (s *source) env() ([]byte, error) {
	raw, err := os.ReadFile(s.profile.EnvFile())
	if os.IsNotExist(err) {
		return nil, nil
	}
	return raw, err
}

// send sends the workspace, and the sessions when they are asked for.
func (s *source) send(ctx context.Context, to archive.Sink, link func(name, target string) (string, string), skip func(string) bool, sessions bool) ([]archive.Left, error) {
	left, err := archive.Workspace(ctx, s.workspace, to, link, func(name string) bool { return s.own[name] || skip(name) })
	if err != nil || !sessions {
		return left, err
	}
	more, err := archive.Sessions(ctx, s.profile.StateDir, to)
	return append(left, more...), err
}
