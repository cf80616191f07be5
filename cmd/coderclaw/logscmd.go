package main

import (
	"context"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

func (a *app) logsCommand() *cli.Command {
	return &cli.Command{
		Name:  "logs",
		Usage: "the gateway's log, over its RPC, or from its files while it is down",
		Flags: append(clientFlags(false),
			profileFlagHere(),
			&cli.BoolFlag{Name: "all", Usage: "the log files of all profiles together, each line with its profile in front"},
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on printing new lines, across restarts of the gateway and while it is down"},
			&cli.StringFlag{Name: "limit", Usage: "print the last `N` lines", Value: "200"},
			&cli.StringFlag{Name: "max-bytes", Usage: "read at most `N` bytes of the log at once", Value: "250000"},
			&cli.StringFlag{Name: "interval", Usage: "ask for new lines every `MS` milliseconds", Value: "1000"},
		),
		Action: a.logs,
	}
}

// logsOptions are the numbers of the command line.
type logsOptions struct {
	limit    int // lines
	maxBytes int
	interval time.Duration
}

func parseLogsOptions(c *cli.Command) (logsOptions, error) {
	var o logsOptions
	var ms int
	for _, n := range []struct {
		flag string
		max  int
		into *int
	}{{"limit", mostLines, &o.limit}, {"max-bytes", mostBytes, &o.maxBytes}, {"interval", 3_600_000, &ms}} {
		v, err := strconv.Atoi(c.String(n.flag))
		if err != nil || v < 1 || v > n.max {
			return o, usageError("--%s must be an integer from 1 to %d, got %q", n.flag, n.max, c.String(n.flag))
		}
		*n.into = v
	}
	o.interval = time.Duration(ms) * time.Millisecond
	return o, nil
}

func (a *app) logs(ctx context.Context, c *cli.Command) error {
	o, err := parseLogsOptions(c)
	if err != nil {
		return err
	}
	if err := a.takeProfile(c); err != nil {
		return err
	}
	printer := &logPrinter{stdout: a.stdout, stderr: a.stderr, json: c.Bool("json")}
	if c.Bool("all") {
		if a.profileFlag != "" || a.devFlag || c.IsSet("url") {
			return usageError("--all shows every profile; leave out --profile, --dev and --url")
		}
		return a.logsOfAll(ctx, o, printer, c.Bool("follow"))
	}
	l := logReader{app: a, print: printer, o: o, follow: c.Bool("follow")}
	l.target, err = a.target(c)
	if err != nil {
		if exitcode.Of(err) == exitcode.Usage {
			return err
		}
		p, _, other := a.profile()
		if other != nil {
			return err
		}
		// What keeps the gateway from being found, as an .env file that cannot be read, keeps it
		// from starting too, and the files may say more.
		return l.fromFiles(ctx, p, err, func() error { return err })
	}
	return l.run(ctx, c.IsSet("timeout"))
}
