package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func (a *app) rescueCommand() *cli.Command {
	return &cli.Command{
		Name:      "rescue",
		Usage:     "have the rescue gateway's supervisor look at another profile, and mend it with --repair",
		ArgsUsage: "[PROFILE]",
		Description: "The profile is default unless another is named. The rescue gateway has to run under a supervisor; what it needs is its own\n" +
			"token, so that this works with --url from elsewhere, where `doctor` cannot be typed. Findings and exit codes are those of doctor.",
		Flags: append(clientFlags(false), &cli.BoolFlag{Name: "repair", Aliases: []string{"fix"}, Usage: "mend what can be mended, without asking"}),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() > 1 {
				return usageError("rescue takes one profile, got %q", c.Args().Slice())
			}
			name, err := profiles.ParseName(firstOf(c.Args().First(), profiles.Default))
			if err != nil {
				return err
			}
			if a.devFlag || a.profileFlag != "" && a.profileFlag != profiles.Rescue {
				return usageError("rescue asks the gateway of profile %s and no other; name the profile to look at behind it: coderclaw rescue %s",
					profiles.Rescue, firstOf(a.profileFlag, profiles.Dev))
			}
			a.profileFlag = profiles.Rescue
			t, err := a.target(c)
			if err != nil {
				return err
			}
			limit := control.DoctorTime + t.timeout
			if c.IsSet("timeout") {
				limit = t.timeout
			}
			return a.rescue(ctx, t, protocol.DoctorParams{Profile: name, Repair: c.Bool("repair")}, limit, c.Bool("json"))
		},
	}
}

// rescue has doctor run, shows what it says meanwhile and what it has found.
func (a *app) rescue(ctx context.Context, t target, p protocol.DoctorParams, limit time.Duration, asJSON bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := a.dial(ctx, t, "cli", a.doctorLine)
	if err != nil {
		return a.unreachable(t, err)
	}
	if !slices.Contains(conn.Hello().Features.Methods, protocol.MethodDoctor) {
		return errors.Join(fmt.Errorf("the gateway at %s cannot see to others: it is not that of profile %s, or runs without a supervisor\nFix: %s, or on the machine itself: coderclaw --profile %s doctor",
			t.shown(), profiles.Rescue, "coderclaw up "+profiles.Rescue, p.Profile), conn.Close())
	}
	var res protocol.DoctorResult
	err = conn.Call(ctx, protocol.MethodDoctor, p, &res)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("doctor of profile %s has not ended within %s; it goes on without us", p.Profile, limit)
	}
	if closeErr := conn.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	code := exitcode.Code(res.ExitCode)
	if code < 0 {
		code = exitcode.Failed // a signal ended it; it said why
	}
	var report doctorReport
	if json.Unmarshal(res.Report, &report) != nil || report.Findings == nil {
		if code == exitcode.OK {
			code = exitcode.Failed
		}
		return exitcode.With(code, fmt.Errorf("doctor of profile %s ended with %d and without a report", p.Profile, res.ExitCode))
	}
	if asJSON {
		err = a.printJSON(res.Report)
	} else {
		a.printFindings(report, doctorFlags{repair: p.Repair})
	}
	if err == nil && code != exitcode.OK {
		err = quiet(code)
	}
	return err
}

// doctorLine shows what doctor says to people; its report comes with the answer.
func (a *app) doctorLine(e protocol.Event) {
	var line protocol.DoctorEvent
	if e.Event != protocol.EventDoctor || json.Unmarshal(e.Payload, &line) != nil || line.Stream != control.Stderr {
		return
	}
	fmt.Fprintln(a.stderr, line.Line)
}
