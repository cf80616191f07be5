package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Workspace sends the workspace at dir, if there is one. Symlinks go through link;
// files for which skip is true, and locks that git and coderclaw hold, stay behind.
func Workspace(ctx context.Context, dir string, to Sink, link func(name, target string) (string, string), skip func(name string) bool) (left []Left, err error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("workspace: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	tree := Tree{Root: root, Dir: ".", As: WorkspaceDir, Link: link, Skip: func(name string) bool { return isLock(name) || skip(name) }}
	if left, err = tree.Send(ctx, to); err != nil {
		return left, fmt.Errorf("workspace %s: %w", dir, err)
	}
	return left, nil
}

// isLock tells whether the file is a lock for as long as somebody works on the
// workspace, which its copy would then be stuck with. Lock files by which package
// managers pin versions are none.
func isLock(name string) bool {
	dir := "/" + path.Dir(name) + "/"
	return strings.HasSuffix(name, ".lock") && (strings.Contains(dir, "/.git/") || strings.Contains(dir, "/.coderclaw/"))
}

// Sessions sends the sessions of every agent in the state dir.
func Sessions(ctx context.Context, stateDir string, to Sink) (left []Left, err error) {
	agents, err := os.ReadDir(filepath.Join(stateDir, AgentsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	root, err := os.OpenRoot(stateDir)
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := to.Mkdir(AgentsDir, 0o700); err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	for _, agent := range agents {
		if !agent.IsDir() {
			continue
		}
		dir := path.Join(AgentsDir, agent.Name())
		if err := to.Mkdir(dir, 0o700); err != nil {
			return left, fmt.Errorf("sessions: %w", err)
		}
		tree := Tree{Root: root, Dir: path.Join(dir, sessionsName), As: path.Join(dir, sessionsName), Private: true,
			Skip: func(name string) bool { return strings.HasSuffix(name, ".lock") }}
		more, err := tree.Send(ctx, to)
		left = append(left, more...)
		if err != nil {
			return left, fmt.Errorf("sessions of agent %s: %w", agent.Name(), err)
		}
	}
	return left, nil
}
