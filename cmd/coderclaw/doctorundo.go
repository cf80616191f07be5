package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// undoReport is the machine form of `doctor undo --json`.
type undoReport struct {
	OK       bool            `json:"ok"`
	Journals []doctor.Entry  `json:"journals,omitempty"` // with --list, the newest last
	Plan     *doctor.Plan    `json:"plan,omitempty"`
	Outcome  *doctor.Outcome `json:"outcome,omitempty"` // absent with --dry-run
}

type undoFlags struct{ list, dryRun, force, json, yes, nonInteractive bool }

func (a *app) doctorUndoCommand() *cli.Command {
	var f undoFlags
	return &cli.Command{
		Name:      "undo",
		Usage:     "put back what a repair, an undo, or an installation by force has changed",
		ArgsUsage: "[ID]",
		Description: "Without ID it is the last repair or take-over of the profile that is not undone. Files, permissions, links, enablement and\n" +
			"whether the service ran are put back. A file that was changed since is named, and nothing is done, unless --force is given.\n" +
			"An undo can be undone by its own ID.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "list", Usage: "list what can be undone, and what was", Destination: &f.list},
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would change, line by line, and change nothing", Destination: &f.dryRun},
			&cli.BoolFlag{Name: "force", Usage: "put back files too that were changed since", Destination: &f.force},
			&cli.BoolFlag{Name: "json", Usage: "print JSON", Destination: &f.json},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask", Destination: &f.yes},
			&cli.BoolFlag{Name: "non-interactive", Usage: "ask nothing", Destination: &f.nonInteractive},
			systemFlags(false)[0],
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() > 1 || f.list && c.Args().Present() {
				return usageError("undo takes one ID, or --list and none, got %q", c.Args().Slice())
			}
			return a.within(ctx, c, "doctor", func() error { return a.doctorUndo(ctx, c.Args().First(), f) })
		},
	}
}

func (a *app) doctorUndo(ctx context.Context, id string, f undoFlags) error {
	p, r, err := a.registered()
	if err != nil {
		return err
	}
	t, err := a.doctorTarget(p, r)
	if err != nil {
		return err
	}
	if f.list {
		return a.listJournals(t, f)
	}
	seen := doctor.Observe(ctx, t)
	plan, err := doctor.UndoPlan(t, seen, id, f.force)
	if err != nil {
		return err
	}
	report := undoReport{OK: true, Plan: &plan}
	if !f.json {
		printPlan(a.stdout, plan)
	}
	ask := !f.yes && !f.nonInteractive && isTerminal(a.stdin)
	if !f.dryRun && ask && !confirm(a.stdin, a.stdout, "Apply this to profile "+p.Name+"?") {
		return quiet(exitcode.Failed)
	}
	if !f.dryRun {
		out, err := doctor.Apply(ctx, t, seen, plan)
		if err != nil {
			return err
		}
		report.Outcome, report.OK = &out, out.Result == doctor.Applied && out.Why == ""
		if !f.json {
			printOutcome(a.stdout, out)
		}
	}
	if f.json {
		if err := a.printJSON(report); err != nil {
			return err
		}
	}
	if !report.OK {
		return quiet(exitcode.Failed)
	}
	return nil
}

func (a *app) listJournals(t doctor.Target, f undoFlags) error {
	list, err := doctor.Journals(t)
	if err != nil {
		fmt.Fprintf(a.stderr, "coderclaw: %v\n", err)
	}
	if f.json {
		return a.printJSON(undoReport{OK: err == nil, Journals: list})
	}
	if len(list) == 0 {
		fmt.Fprintf(a.stdout, "Nothing was mended for profile %s yet.\n", t.Profile.Name)
		return nil
	}
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tWHEN\tWHAT\tRESULT\tFILES")
	for _, e := range list {
		what := string(e.Kind)
		if e.Of != "" {
			what += " of " + e.Of
		}
		result := string(e.Result)
		if e.UndoneBy != "" {
			result = "undone"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", e.ID, localTime(e.Made), what, result, strings.Join(e.Files, ", "))
	}
	_ = tw.Flush() // into memory
	_, err = a.stdout.Write(b.Bytes())
	return err
}
