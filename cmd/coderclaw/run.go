package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// lookupEnv reads one variable of the caller's environment.
type lookupEnv func(name string) (value string, ok bool)

// app is what every verb shares: the command's name, the standard streams and
// the environment. One app serves one invocation and is not used concurrently.
type app struct {
	argv0          string
	env            lookupEnv
	stdin          io.Reader
	stdout, stderr io.Writer

	args []string // the whole command line

	profileFlag string // --profile, "" when absent
	devFlag     bool   // --dev

	known registryCache
	held  *holders // who listens, where that was looked up for several profiles at once; else nil
	site  site     // of the service that a verb acts on
}

// run executes one command line and returns the exit code. It prints the error
// that ends the command, once, and never ends the process itself.
func run(ctx context.Context, args []string, env lookupEnv, stdin io.Reader, stdout, stderr io.Writer) exitcode.Code {
	out := &output{to: stdout}
	a := &app{argv0: args[0], args: args, env: env, stdin: stdin, stdout: out, stderr: stderr}
	root := a.root()
	prune(root, args)
	err := root.Run(ctx, args)
	if err == nil {
		err = out.failed()
	}
	if unknown, ok := errors.AsType[cli.ExitCoder](err); ok { // the library makes one for help on what is not there, and nobody else does
		err = usageError("%w (see: coderclaw --help)", unknown)
	}
	if err != nil && !errors.Is(err, errQuiet) {
		text := err.Error()
		if ctx.Err() != nil {
			text = strings.ReplaceAll(text, context.Canceled.Error(), "interrupted")
		}
		fmt.Fprintf(stderr, "coderclaw: %s\n", text)
	}
	return exitcode.Of(err)
}

// prune takes out what lies below the verbs that args do not name, and their flags. None of
// that can be meant or shown, and the library would set all of it up.
func prune(root *cli.Command, args []string) {
	for _, verb := range root.Commands {
		if !slices.ContainsFunc(args, verb.HasName) {
			verb.Commands, verb.Flags = nil, nil
		}
	}
}

// errQuiet ends a command whose output already said everything; wrap it with exitcode.With.
var errQuiet = errors.New("said already")

// quiet is the error of a command that has explained itself and ends with code c.
func quiet(c exitcode.Code) error { return exitcode.With(c, errQuiet) }

// usageError marks a wrong command line.
func usageError(format string, args ...any) error {
	return exitcode.With(exitcode.Usage, fmt.Errorf(format, args...))
}

func (a *app) root() *cli.Command {
	root := &cli.Command{
		Name:      "coderclaw",
		Usage:     "isolated AI gateways on your own machine, supervised",
		Reader:    a.stdin,
		Writer:    a.stdout,
		ErrWriter: a.stderr,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "profile", Usage: "act on profile `NAME`", Destination: &a.profileFlag, Local: true},
			&cli.BoolFlag{Name: "dev", Usage: "short for --profile dev", Destination: &a.devFlag, Local: true},
			&cli.BoolFlag{Name: "version", Aliases: []string{"V", "v"}, Usage: "print the version, nothing else", Local: true},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Bool("version") {
				_, err := fmt.Fprintln(a.stdout, buildinfo.Version())
				return err
			}
			return cli.ShowRootCommandHelp(c)
		},
		Commands:       a.commands(),
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	strict(root)
	return root
}

// verb is a command by its name, made when it is needed.
type verb struct {
	name string
	make func() *cli.Command
}

// verbs lists the verbs in the order of the help text, one file per verb.
func (a *app) verbs() []verb {
	return []verb{
		{"setup", a.setupCommand},
		{"up", a.upCommand},
		{"down", a.downCommand},
		{"ps", a.psCommand},
		{"top", a.topCommand},
		{"gateway", a.gatewayCommand},
		{"supervisor", a.supervisorCommand},
		{"service", a.serviceCommand},
		{"open", a.openCommand},
		{"dashboard", a.dashboardCommand},
		{"status", a.statusCommand},
		{"health", a.healthCommand},
		{"logs", a.logsCommand},
		{"crashes", a.crashesCommand},
		{"channels", a.channelsCommand},
		{"pairing", a.pairingCommand},
		{"devices", a.devicesCommand},
		{"nodes", a.nodesCommand},
		{"node", a.nodeCommand},
		{"approvals", a.approvalsCommand},
		{"system", a.systemCommand},
		{"config", a.configCommand},
		{"doctor", a.doctorCommand},
		{"rescue", a.rescueCommand},
		{"profiles", a.profilesCommand},
		{"reset", a.resetCommand},
		{"uninstall", a.uninstallCommand},
	}
}

// commands are the verbs, of which only one is there when the command line begins with its
// name: the others can be neither meant nor shown, and to set them up takes time.
func (a *app) commands() []*cli.Command {
	verbs := a.verbs()
	if len(a.args) > 1 {
		if i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == a.args[1] }); i >= 0 {
			verbs = verbs[i : i+1]
		}
	}
	all := make([]*cli.Command, len(verbs))
	for i, v := range verbs {
		all[i] = v.make()
	}
	return all
}

// strict makes every command of the tree answer a wrong flag, an unknown
// subcommand or a stray argument with exit code 2, and a bare group with its help.
func strict(c *cli.Command) {
	c.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error {
		return exitcode.With(exitcode.Usage, fmt.Errorf("%w%s (see: %s --help)", err, didYouMeanFlag(cmd, err), c.FullName()))
	}
	action, group := c.Action, len(c.Commands) > 0 // before the library adds its help command
	if !group {                                    // an argument in front of --help names no topic
		c.CommandNotFound = func(_ context.Context, cmd *cli.Command, _ string) { _ = cli.ShowSubcommandHelp(cmd) }
	}
	c.Action = func(ctx context.Context, cmd *cli.Command) error {
		extra := cmd.Args().Slice()
		switch {
		case group && len(extra) > 0:
			return usageError("unknown command %q%s (see: %s --help)", extra[0], didYouMean(cmd, extra[0]), c.FullName())
		case action == nil:
			return cli.ShowSubcommandHelp(cmd)
		case c.ArgsUsage == "" && len(extra) > 0:
			return usageError("%s takes no argument, got %q", c.FullName(), strings.Join(extra, " "))
		}
		return action(ctx, cmd)
	}
	for _, sub := range c.Commands {
		strict(sub)
	}
}
