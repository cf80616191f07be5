package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/profiles/archive"
)

func (a *app) profilesCloneCommand() *cli.Command {
	return &cli.Command{
		Name: "clone", Usage: "make a profile with the config and workspace of another, which stays as it is", ArgsUsage: "SOURCE NAME",
		Description: "The new profile has ports, paths and a gateway token of its own. The source may be running.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "port", Usage: "base of the port block, instead of a free one: `N`"},
			&cli.BoolFlag{Name: "with-secrets", Usage: "copy the .env file too"},
			&cli.BoolFlag{Name: "with-sessions", Usage: "copy the agents' sessions too"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: a.profilesClone,
	}
}

// portFlag is the --port that was given, 0 without.
func portFlag(c *cli.Command) (int, error) {
	if !c.IsSet("port") {
		return 0, nil
	}
	port, err := profiles.ParsePort(c.String("port"))
	if err != nil {
		return 0, fmt.Errorf("--port: %w", err)
	}
	return port, nil
}

func (a *app) profilesClone(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 2 {
		return usageError("profiles clone takes a SOURCE and a new NAME, got %d names", c.Args().Len())
	}
	port, err := portFlag(c)
	if err != nil {
		return err
	}
	from, err := a.openSource(c.Args().Get(0))
	if err != nil {
		return err
	}
	s, err := a.stage(ctx, c.Args().Get(1), profiles.CreateOptions{Change: profiles.Change{Port: port}, Settings: from.settings})
	if err != nil {
		return err
	}
	into := made{From: "profile " + from.profile.Name, Settings: from.settings}
	if err := s.clone(ctx, from, c.Bool("with-secrets"), c.Bool("with-sessions"), &into); err != nil {
		return errors.Join(fmt.Errorf("clone profile %s: %w", from.profile.Name, err), s.discard())
	}
	return s.finish(ctx, into, c.Bool("json"))
}

// clone gathers the files of another profile.
func (s *staged) clone(ctx context.Context, from *source, secrets, sessions bool, into *made) error {
	if holds(from.workspace, s.tmp) {
		return exitcode.With(exitcode.Failed, fmt.Errorf("its workspace %s would hold the copy of itself", from.workspace))
	}
	if err := s.adapt(from.config, from.origin, true, into); err != nil {
		return err
	}
	s.dir.Files = len(from.config.Files())
	if secrets {
		raw, err := from.env()
		if err != nil {
			return err
		}
		if raw != nil {
			f := archive.File{Name: ".env", Mode: 0o600, Size: int64(len(raw))}
			if err := s.dir.File(ctx, f, bytes.NewReader(raw)); err != nil {
				return err
			}
		}
	}
	var err error
	into.Left, err = from.send(ctx, s.dir, s.relink(from.workspace), func(string) bool { return false }, sessions)
	return err
}

// relink keeps every symlink; one that leads into the workspace of the source by
// its absolute path leads into the new one instead.
func (s *staged) relink(workspace string) func(name, target string) (string, string) {
	return func(_, target string) (string, string) {
		if !filepath.IsAbs(target) {
			return target, ""
		}
		if rel, err := filepath.Rel(workspace, target); err == nil && filepath.IsLocal(rel) {
			return filepath.Join(s.planned.Workspace, rel), ""
		}
		return target, ""
	}
}
