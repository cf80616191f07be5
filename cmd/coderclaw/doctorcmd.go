package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// doctorReport is the machine form of `doctor --json`.
type doctorReport struct {
	OK       bool             `json:"ok"`
	Findings []doctor.Finding `json:"findings"`
}

// doctorFlags are the options of one run.
type doctorFlags struct{ repair, json, yes, nonInteractive, all bool }

func (a *app) doctorCommand() *cli.Command {
	var f doctorFlags
	return &cli.Command{
		Name:  "doctor",
		Usage: "say what is not as it should be, and mend it with --repair",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "repair", Aliases: []string{"fix"}, Usage: "mend what can be mended", Destination: &f.repair},
			&cli.BoolFlag{Name: "json", Usage: "print JSON", Destination: &f.json},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask before mending", Destination: &f.yes},
			&cli.BoolFlag{Name: "non-interactive", Usage: "ask nothing; mend without asking if --repair is given", Destination: &f.nonInteractive},
			&cli.BoolFlag{Name: "all", Usage: "look at every profile of the registry", Destination: &f.all},
		},
		Action: func(ctx context.Context, _ *cli.Command) error {
			if err := a.takeVars(); err != nil {
				return err
			}
			return a.doctor(ctx, f)
		},
	}
}

func (a *app) doctor(ctx context.Context, f doctorFlags) error {
	p, r, err := a.registered()
	if err != nil {
		return err
	}
	ps := []profiles.Profile{p}
	if f.all {
		ps = r.List()
	}
	report := doctorReport{OK: true, Findings: []doctor.Finding{}}
	for _, p := range ps {
		found, err := a.examine(ctx, p, r, f)
		if err != nil {
			return fmt.Errorf("profile %s: %w", p.Name, err)
		}
		report.Findings = append(report.Findings, found...)
	}
	for _, finding := range report.Findings {
		report.OK = report.OK && !finding.Left()
	}
	if f.json {
		if err := a.printJSON(report); err != nil {
			return err
		}
	} else {
		a.printFindings(report, f)
	}
	if !report.OK {
		return quiet(exitcode.Failed)
	}
	return nil
}

// examine looks at one profile and, if asked to, mends it and looks again.
func (a *app) examine(ctx context.Context, p profiles.Profile, r *profiles.Registry, f doctorFlags) ([]doctor.Finding, error) {
	s, err := a.service(p, r)
	if err != nil {
		return nil, err
	}
	t := doctor.Target{Profile: p, Host: s.host, Unit: s.unit, Spec: s.spec, Env: a.env}
	seen := doctor.Observe(ctx, t)
	found := doctor.Examine(t, seen)
	if !f.repair {
		return found, nil
	}
	plan, err := doctor.MakePlan(t, seen, found, doctor.PlanOptions{})
	if err != nil || plan.Empty() {
		return found, err
	}
	people := a.stdout
	if f.json {
		people = a.stderr
	}
	printPlan(people, p, plan.Steps)
	if !f.yes && !f.nonInteractive && isTerminal(a.stdin) && !confirm(a.stdin, people, "Apply this to profile "+p.Name+"?") {
		return found, nil
	}
	applied := doctor.Apply(ctx, t, plan)
	if applied != nil {
		fmt.Fprintf(a.stderr, "coderclaw: profile %s: %v\n", p.Name, applied)
	}
	return doctor.Compare(found, doctor.Examine(t, a.settle(ctx, t))), nil
}

// settle observes after a repair, once what was started has come up or failed to.
func (a *app) settle(ctx context.Context, t doctor.Target) doctor.Observation {
	if o := doctor.Observe(ctx, t); o.Wish == control.WantStopped {
		return o
	}
	_ = unitService{profile: t.Profile}.untilReady(ctx) // what is left is found by looking
	return doctor.Observe(ctx, t)
}

func printPlan(w io.Writer, p profiles.Profile, steps []doctor.Step) {
	fmt.Fprintf(w, "Plan for profile %s:\n", p.Name)
	for _, s := range steps {
		fmt.Fprintf(w, "- %s\n", s.What)
		if s.Diff != "" {
			fmt.Fprintf(w, "%s\n", s.Diff)
		}
	}
}

// confirm asks a yes-or-no question; anything but yes is no.
func confirm(in io.Reader, w io.Writer, question string) bool {
	fmt.Fprintf(w, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return err == nil && (answer == "y" || answer == "yes")
}

func (a *app) printFindings(report doctorReport, f doctorFlags) {
	left := 0
	for _, x := range report.Findings {
		state := string(x.Severity)
		if x.Repaired {
			state = "mended"
		} else if x.Left() {
			left++
		}
		fmt.Fprintf(a.stdout, "%-7s  %s  %s: %s\n", state, x.Profile, x.Code, x.Message)
		if x.Path != "" {
			fmt.Fprintf(a.stdout, "         %s%s\n", x.Path, keyNote(x.Key))
		}
		if x.Have != "" || x.Want != "" {
			fmt.Fprintf(a.stdout, "         have %q, want %q\n", x.Have, x.Want)
		}
		if !x.Repaired {
			fmt.Fprintf(a.stdout, "         fix: %s\n", x.Fix)
		}
	}
	switch {
	case len(report.Findings) == 0:
		fmt.Fprintln(a.stdout, "Nothing found.")
	case left == 0:
		fmt.Fprintln(a.stdout, "Nothing left to mend.")
	case f.repair:
		fmt.Fprintf(a.stdout, "%d left.\n", left)
	default:
		fmt.Fprintf(a.stdout, "%d found. Mend what can be mended with --repair.\n", left)
	}
}

func keyNote(key string) string {
	if key == "" {
		return ""
	}
	return " (" + key + ")"
}
