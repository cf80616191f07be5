package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/doctor"
)

func printPlan(w io.Writer, p doctor.Plan) {
	if !p.Empty() {
		fmt.Fprintf(w, "Plan for profile %s:\n", p.Profile)
		printSteps(w, p.Steps)
	}
	if len(p.Withheld) > 0 {
		fmt.Fprintf(w, "Only with --force, for profile %s:\n", p.Profile)
		printSteps(w, p.Withheld)
	}
}

func printSteps(w io.Writer, steps []doctor.Step) {
	for _, s := range steps {
		note := ""
		if !s.Reversible {
			note = " (cannot be undone)"
		}
		fmt.Fprintf(w, "- %s%s\n%s", s.What, note, s.Diff)
	}
}

// printOutcome says what became of a plan.
func printOutcome(w io.Writer, out doctor.Outcome) {
	what := map[doctor.Kind]string{doctor.KindRepair: "repair", doctor.KindUndo: "undo", doctor.KindInstall: "take-over"}[out.Kind]
	result := map[doctor.Result]string{doctor.Applied: "done", doctor.RolledBack: "put back", doctor.Partly: "NOT whole"}[out.Result]
	why := ""
	if out.Why != "" {
		why = ": " + out.Why
	}
	fmt.Fprintf(w, "%s %s of profile %s %s%s\n", what, out.ID, out.Profile, result, why)
	for _, kept := range out.Kept {
		fmt.Fprintf(w, "  what somebody wrote meanwhile is kept in %s\n", kept)
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
	case slices.ContainsFunc(report.Findings, func(x doctor.Finding) bool { return x.Repairable }):
		fmt.Fprintf(a.stdout, "%d found. Mend what can be mended with --repair.\n", left)
	default:
		fmt.Fprintf(a.stdout, "%d found, which --repair cannot mend: each says what to do.\n", left)
	}
}

func keyNote(key string) string {
	if key == "" {
		return ""
	}
	return " (" + key + ")"
}
