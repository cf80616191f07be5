package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/profiles/archive"
)

func (a *app) profilesImportCommand() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "make a profile from a file that export wrote; all of it or nothing", ArgsUsage: "FILE|-",
		Description: "It has ports and paths of its own, and a new gateway token where the file holds none.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "as", Usage: "call it `NAME`, instead of what it was called"},
			&cli.StringFlag{Name: "port", Usage: "base of the port block, instead of a free one: `N`"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: a.profilesImport,
	}
}

func (a *app) profilesImport(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usageError("profiles import takes one FILE, got %d", c.Args().Len())
	}
	port, err := portFlag(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	from := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	} else if isTerminal(a.stdin) {
		return usageError("stdin is a terminal; name a FILE, or send an archive through a pipe")
	}
	if err := a.importFrom(ctx, from, name, c.String("as"), port, c.Bool("json")); err != nil {
		return fmt.Errorf("import %s: %w", name, err)
	}
	return nil
}

// importFrom makes a profile of the archive in r, which people know as file.
func (a *app) importFrom(ctx context.Context, r io.Reader, file, as string, port int, asJSON bool) error {
	in, err := archive.Open(r)
	if err != nil {
		return err
	}
	m := in.Manifest
	s, err := a.stage(ctx, firstOf(as, m.Profile), profiles.CreateOptions{Change: profiles.Change{Port: port}, Settings: m.Settings})
	if err != nil {
		return err
	}
	into := made{From: fmt.Sprintf("%s, profile %s of %s", file, m.Profile, m.Created.Format("2006-01-02 15:04")), Settings: m.Settings}
	if err := s.extract(ctx, in, &into); err != nil {
		return errors.Join(err, s.discard())
	}
	return s.finish(ctx, into, asJSON)
}

// extract gathers the files of an archive.
func (s *staged) extract(ctx context.Context, in *archive.Reader, into *made) error {
	files, err := in.Extract(ctx, s.dir, archive.DefaultLimits())
	if err != nil {
		return err
	}
	b, err := config.LoadBundle(s.asStaged())
	if err != nil {
		return err
	}
	included := map[string]bool{}
	for _, f := range b.Files() {
		included[f.Name] = true
	}
	for _, f := range files {
		if !included[f] {
			return fmt.Errorf("it has %s beside the config, which does not include it", f)
		}
	}
	return s.adapt(b, in.Manifest.Origin, false, into)
}
