package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/crashes"
)

// crashesReport is the machine form of `crashes list --json`. Dumps and output
// are left out; `crashes show` has them.
type crashesReport struct {
	Profile string           `json:"profile"`
	Dir     string           `json:"dir"`
	Crashes []crashes.Record `json:"crashes"` // newest first
}

func (a *app) crashesCommand() *cli.Command {
	list := func(_ context.Context, c *cli.Command) error { return a.crashesList(c) }
	return &cli.Command{
		Name:  "crashes",
		Usage: "what is kept of the last crashes of a profile's gateway",
		Flags: []cli.Flag{profileFlagHere(), &cli.BoolFlag{Name: "json", Usage: "print JSON"}}, Action: list, // the verbs below have them too
		Commands: []*cli.Command{
			{Name: "list", Usage: "the last crashes, newest first", Action: list},
			{
				Name: "show", Usage: "one crash with its last output and its goroutine dump; the newest without an ID", ArgsUsage: "[ID]",
				Action: func(_ context.Context, c *cli.Command) error { return a.crashesShow(c) },
			},
		},
	}
}

// crashesOf opens the black boxes of the selected profile and lists them. Files
// that cannot be read are reported on stderr.
func (a *app) crashesOf(c *cli.Command) (profiles.Profile, []crashes.Record, error) {
	if err := a.takeProfile(c); err != nil {
		return profiles.Profile{}, nil, err
	}
	p, _, err := a.profile()
	if err != nil {
		return p, nil, err
	}
	records, err := crashes.Open(p.CrashDir()).List()
	if err != nil {
		fmt.Fprintf(a.stderr, "coderclaw: some crashes are left out: %v\n", err)
	}
	return p, records, nil
}

func (a *app) crashesList(c *cli.Command) error {
	p, records, err := a.crashesOf(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		report := crashesReport{Profile: p.Name, Dir: p.CrashDir(), Crashes: []crashes.Record{}}
		for _, r := range records {
			r.Dump, r.Tail = "", ""
			report.Crashes = append(report.Crashes, r)
		}
		return a.printJSON(report)
	}
	if len(records) == 0 {
		fmt.Fprintln(a.stdout, "No crash is recorded.")
		return nil
	}
	tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tAT\tCLASS\tEXIT\tPHASE\tRAN\tREASON")
	for _, r := range records {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, localTime(r.At), r.Class, exitWord(r), r.Phase, roundRan(r.Ran), strings.ReplaceAll(r.Reason, "\n", " "))
	}
	return tw.Flush()
}

func (a *app) crashesShow(c *cli.Command) error {
	if c.Args().Len() > 1 {
		return usageError("crashes show takes one ID, got %q", c.Args().Slice())
	}
	p, records, err := a.crashesOf(c)
	if err != nil {
		return err
	}
	var r crashes.Record
	switch id := c.Args().First(); {
	case id != "":
		r, err = crashes.Open(p.CrashDir()).Get(id)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("no crash %q is recorded in %s; list them with: %s", id, p.CrashDir(), hint(p, "crashes list"))
		}
		if err != nil {
			return err
		}
	case len(records) == 0:
		return fmt.Errorf("no crash is recorded in %s", p.CrashDir())
	default:
		r = records[0]
	}
	if c.Bool("json") {
		return a.printJSON(r)
	}
	return a.printCrash(r)
}

func (a *app) printCrash(r crashes.Record) error {
	tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	for _, f := range []struct{ name, value string }{
		{"crash", r.ID},
		{"profile", r.Profile},
		{"at", localTime(r.At)},
		{"class", r.Class},
		{"exit", exitWord(r)},
		{"phase", r.Phase},
		{"pid", fmt.Sprint(r.PID)},
		{"ran", roundRan(r.Ran)},
		{"reason", strings.ReplaceAll(r.Reason, "\n", " ")},
		{"config hash", r.ConfigHash},
		{"binary hash", r.BinaryHash},
	} {
		if f.value != "" {
			fmt.Fprintf(tw, "%s\t%s\n", f.name, f.value)
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "\nLast output:")
	if r.Tail == "" {
		fmt.Fprintln(a.stdout, "(none)")
	}
	for line := range strings.Lines(r.Tail) {
		fmt.Fprintln(a.stdout, shortLine([]byte(strings.TrimRight(line, "\r\n"))))
	}
	switch {
	case r.Dump != "":
		fmt.Fprintf(a.stdout, "\nGoroutines:\n%s\n", strings.TrimRight(r.Dump, "\n"))
	case r.DumpMissing != "":
		fmt.Fprintf(a.stdout, "\nNo goroutine dump: %s\n", r.DumpMissing)
	}
	return nil
}

func localTime(t time.Time) string { return t.Local().Format(time.DateTime) }

// exitWord is the signal or the status with which it ended.
func exitWord(r crashes.Record) string {
	if r.Signal != "" {
		return r.Signal
	}
	return fmt.Sprint(r.Code)
}

// roundRan leaves three or four digits of how long something ran.
func roundRan(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return d.Round(time.Minute).String()
}
