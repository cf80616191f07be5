package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles/archive"
)

func (a *app) profilesExportCommand() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "write a profile into one file, which import reads; it may be running", ArgsUsage: "NAME [FILE|-]",
		Description: "Without --with-secrets the .env file and every secret of the config stay behind. Files of the workspace go as they are,\n" +
			"whatever is in them. Without FILE it is NAME.coderclaw.tar.gz here.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "with-secrets", Usage: "take the .env file and the secrets of the config along"},
			&cli.BoolFlag{Name: "with-sessions", Usage: "take the agents' sessions along"},
			&cli.BoolFlag{Name: "force", Usage: "replace FILE if it exists"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: a.profilesExport,
	}
}

// exported is the machine form of an archive that was written.
type exported struct {
	Profile  string         `json:"profile"`
	File     string         `json:"file"`
	Files    int            `json:"files"`
	Bytes    int64          `json:"bytes"`
	Redacted []string       `json:"redacted"`
	Left     []archive.Left `json:"left"`
}

func (a *app) profilesExport(ctx context.Context, c *cli.Command) error {
	if n := c.Args().Len(); n < 1 || n > 2 {
		return usageError("profiles export takes a NAME and at most one FILE, got %d arguments", n)
	}
	file, force := c.Args().Get(1), c.Bool("force")
	toStdout := file == "-"
	switch {
	case toStdout && c.Bool("json"):
		return usageError("--json and an archive on stdout exclude each other")
	case toStdout && isTerminal(a.stdout):
		return usageError("stdout is a terminal; name a FILE, or send it to a pipe")
	}
	s, err := a.openSource(c.Args().First())
	if err != nil {
		return err
	}
	e := exporting{source: s, secrets: c.Bool("with-secrets"), sessions: c.Bool("with-sessions"), skip: func(string) bool { return false }}
	e.report = exported{Profile: s.profile.Name, Redacted: []string{}, Left: []archive.Left{}}
	if toStdout {
		if err := e.write(ctx, a.stdout); err != nil {
			return fmt.Errorf("export profile %s: %w", s.profile.Name, err)
		}
		a.printLeft(e.report.Left)
		return nil
	}
	if file == "" {
		file = s.profile.Name + ".coderclaw.tar.gz"
	}
	if e.report.File, err = filepath.Abs(file); err != nil {
		return err
	}
	if err := replaceable(e.report.File, force); err != nil {
		return err
	}
	err = atomicfile.Write(e.report.File, 0o600, func(f *os.File) error {
		e.skip = e.itself(f.Name())
		return errors.Join(e.write(ctx, f), replaceable(e.report.File, force))
	})
	if err != nil {
		return fmt.Errorf("export profile %s: %w", s.profile.Name, err)
	}
	if c.Bool("json") {
		return a.printJSON(e.report)
	}
	fmt.Fprintf(a.stdout, "wrote profile %s to %s, %d files, %s\n", s.profile.Name, e.report.File, e.report.Files, byteCount(e.report.Bytes))
	for _, key := range e.report.Redacted {
		fmt.Fprintf(a.stdout, "without the secret at %s\n", key)
	}
	a.printLeft(e.report.Left)
	return nil
}

// replaceable refuses a file that exists, unless force is set.
func replaceable(file string, force bool) error {
	if force {
		return nil
	}
	_, err := os.Lstat(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return exitcode.With(exitcode.Failed, fmt.Errorf("%s exists already; choose another FILE, or replace it with --force", file))
}

// exporting is one profile on its way into an archive.
type exporting struct {
	*source
	secrets, sessions bool
	skip              func(name string) bool // in the workspace
	report            exported
}

// itself keeps the archive, and its temporary file, out of itself when they lie in the workspace.
func (e *exporting) itself(tmp string) func(string) bool {
	drop := map[string]bool{}
	workspace, err := filepath.EvalSymlinks(e.workspace)
	dir, dirErr := filepath.EvalSymlinks(filepath.Dir(e.report.File))
	if err != nil || dirErr != nil {
		return func(string) bool { return false } // no workspace, or no directory to write to
	}
	for _, file := range []string{tmp, e.report.File} {
		if rel, err := filepath.Rel(workspace, filepath.Join(dir, filepath.Base(file))); err == nil {
			drop[filepath.ToSlash(rel)] = true
		}
	}
	return func(name string) bool { return drop[name] }
}

func (e *exporting) write(ctx context.Context, to io.Writer) error {
	if err := e.config.Rename(archive.ConfigName); err != nil {
		return err
	}
	m := archive.Manifest{Profile: e.profile.Name, Coderclaw: buildinfo.Version(), Created: time.Now().UTC().Truncate(time.Second),
		Settings: e.settings, Origin: e.origin, Secrets: e.secrets, Sessions: e.sessions}
	if !e.secrets {
		redacted, err := e.config.Redact()
		if err != nil {
			return err
		}
		m.Redacted = redacted
		e.report.Redacted = orEmpty(redacted)
	}
	w, err := archive.NewWriter(to, m)
	if err != nil {
		return err
	}
	for _, f := range e.config.Files() {
		if err := w.Config(f.Name, f.Data); err != nil {
			return err
		}
	}
	if e.secrets {
		raw, err := e.env()
		if err != nil {
			return err
		}
		if raw != nil {
			if err := w.Env(raw); err != nil {
				return err
			}
		}
	}
	left, err := e.send(ctx, w, archive.LinkInside, e.skip, e.sessions)
	if err != nil {
		return err
	}
	e.report.Files, e.report.Bytes, e.report.Left = w.Files, w.Bytes, append(e.report.Left, left...)
	return w.Close()
}
