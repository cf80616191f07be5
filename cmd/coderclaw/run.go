package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// lookupEnv reads one variable of the caller's environment.
type lookupEnv func(name string) (value string, ok bool)

// app is what every verb shares: the standard streams and the environment. One
// app serves one invocation and is not used concurrently.
type app struct {
	env            lookupEnv
	stdin          io.Reader
	stdout, stderr io.Writer

	profileFlag string // --profile, "" when absent
	devFlag     bool   // --dev
}

// run executes one command line and returns the exit code. It prints the error
// that ends the command, once, and never ends the process itself.
func run(ctx context.Context, args []string, env lookupEnv, stdin io.Reader, stdout, stderr io.Writer) exitcode.Code {
	a := &app{env: env, stdin: stdin, stdout: stdout, stderr: stderr}
	err := a.root().Run(ctx, args)
	if err != nil && !errors.Is(err, errQuiet) {
		fmt.Fprintf(stderr, "coderclaw: %v\n", err)
	}
	return exitcode.Of(err)
}

// errQuiet ends a command whose output already said everything; wrap it with exitcode.With.
var errQuiet = errors.New("said already")

// usageError marks a wrong command line.
func usageError(format string, args ...any) error {
	return exitcode.With(exitcode.Usage, fmt.Errorf(format, args...))
}

func (a *app) root() *cli.Command {
	return &cli.Command{
		Name:      "coderclaw",
		Usage:     "isolated AI gateways on your own machine, supervised",
		Version:   buildinfo.Version(),
		Reader:    a.stdin,
		Writer:    a.stdout,
		ErrWriter: a.stderr,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "profile", Usage: "act on profile `NAME`", Destination: &a.profileFlag, Local: true},
			&cli.BoolFlag{Name: "dev", Usage: "short for --profile dev", Destination: &a.devFlag, Local: true},
		},
		Commands:       a.commands(),
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
}

// commands lists the verbs in the order of the help text, one file per verb.
func (a *app) commands() []*cli.Command {
	return []*cli.Command{}
}
