package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// maxGrace is the longest time for which an old token counts.
const maxGrace = 30 * 24 * time.Hour

func (a *app) gatewayTokenCommand() *cli.Command {
	return &cli.Command{
		Name: "token", Usage: "the token that clients show to a gateway",
		Commands: []*cli.Command{{
			Name: "rotate", Usage: "put a new token into the config; a running gateway takes it over, and connections stay",
			Flags: append(clientFlags(true),
				&cli.DurationFlag{Name: "grace", Usage: "let the old token in for `TIME` as well", Value: 10 * time.Minute}),
			Action: a.gatewayTokenRotate,
		}},
	}
}

// rotated is what `gateway token rotate --json` prints. It holds no token.
type rotated struct {
	Profile    string `json:"profile"`
	Config     string `json:"config"` // the file that holds the new token
	Old        string `json:"old"`    // fingerprints: the first 4 hex digits of the SHA-256
	New        string `json:"new"`
	OldUntilMs int64  `json:"oldUntilMs"` // the old token lets in until then
	Gateway    string `json:"gateway"`    // "took over", "not running", or why it did not
}

func (a *app) gatewayTokenRotate(ctx context.Context, c *cli.Command) error {
	grace := c.Duration("grace")
	switch {
	case grace < 0 || grace > maxGrace:
		return usageError("--grace must be from 0s to %s, is %s", maxGrace, grace)
	case c.IsSet("token") || c.IsSet("password") || c.IsSet("url"):
		return usageError("gateway token rotate changes the token of a profile's config; it takes no --token, --password and --url")
	}
	p, _, err := a.profile()
	if err != nil {
		return err
	}
	if err := config.Usable(p); err != nil {
		return err
	}
	lookup, _, err := config.Environment(p, a.env)
	if err != nil {
		return err
	}
	h, running := statelock.Find(p)
	if running && h.TokenSource != "" && h.TokenSource != auth.TokenInConfig {
		return exitcode.With(exitcode.Auth, fmt.Errorf("the gateway that runs (pid %d) has its token %s from %s, not from %s of %s; change it there and start it again",
			h.PID, h.Token, h.TokenSource, auth.TokenInConfig, p.ConfigPath))
	}
	done, err := auth.RotateToken(ctx, p, lookup, grace, time.Now())
	if err != nil {
		return err
	}
	out := rotated{Profile: p.Name, Config: p.ConfigPath, Old: done.Old, New: done.New, OldUntilMs: done.Until.UnixMilli(), Gateway: "not running"}
	var failed error
	if running {
		if failed = a.tookOver(ctx, c); failed == nil {
			out.Gateway = "took over"
		} else {
			out.Gateway = failed.Error()
		}
	}
	if c.Bool("json") {
		err = a.printJSON(out)
	} else {
		a.printRotated(out, done, h.PID)
	}
	if other := envValue(a.env, config.EnvToken); other != "" && auth.Fingerprint(other) != done.New {
		fmt.Fprintf(a.stderr, "coderclaw: %s is set here to %s, and clients started from here use that; unset it\n", config.EnvToken, auth.Fingerprint(other))
	}
	if err == nil && failed != nil {
		return quiet(exitcode.Failed)
	}
	return err
}

// tookOver has the running gateway let us in by the new token.
func (a *app) tookOver(ctx context.Context, c *cli.Command) error {
	t, err := a.target(c)
	if err != nil {
		return err
	}
	t.token = t.config.Config.Gateway.Auth.Token
	return a.call(ctx, t, "probe", "health", struct{}{}, nil)
}

func (a *app) printRotated(out rotated, done auth.Rotated, pid int) {
	say := func(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }
	say("Token of profile %s: %s → %s, in %s", firstOf(out.Profile, "(none)"), out.Old, out.New, out.Config)
	if done.Until.After(time.Now()) {
		say("The old token lets in until %s.", done.Until.Local().Format(time.DateTime))
	} else {
		say("The old token lets nobody in any more.")
	}
	switch out.Gateway {
	case "took over":
		say("The running gateway (pid %d) has taken it over; connections stay.", pid)
	case "not running":
		say("No gateway is running; the next one starts with it.")
	default:
		fmt.Fprintf(a.stderr, "The running gateway (pid %d) did not take it over: %s\nRestart it.\n", pid, out.Gateway)
	}
	say("Clients on this machine find it by themselves; give it to those elsewhere.")
}
