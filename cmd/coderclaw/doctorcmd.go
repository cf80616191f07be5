package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/swapfile"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// doctorReport is the machine form of `doctor --json`.
type doctorReport struct {
	OK       bool             `json:"ok"`
	Findings []doctor.Finding `json:"findings"`
	// Plans are what --dry-run would do, and --repair has done unless Outcomes tell
	// otherwise; one for each profile that has one.
	Plans    []doctor.Plan    `json:"plans,omitempty"`
	Outcomes []doctor.Outcome `json:"outcomes,omitempty"`
}

// doctorFlags are the options of one run.
type doctorFlags struct {
	repair, dryRun, json, yes, nonInteractive, all, force bool
	only                                                  []doctor.Code
}

func (a *app) doctorCommand() *cli.Command {
	var f doctorFlags
	return &cli.Command{
		Name:  "doctor",
		Usage: "say what is not as it should be, and mend it with --repair",
		Description: "Without --repair nothing is ever written. On a terminal --repair shows its plan and asks; elsewhere it applies it, without the\n" +
			"steps that take --force. What it did can be put back with: coderclaw doctor undo",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "repair", Aliases: []string{"fix"}, Usage: "mend what can be mended", Destination: &f.repair, Local: true},
			&cli.BoolFlag{Name: "dry-run", Usage: "show what --repair would change, line by line, and change nothing", Destination: &f.dryRun, Local: true},
			&cli.BoolFlag{Name: "json", Usage: "print JSON", Destination: &f.json, Local: true},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask before mending", Destination: &f.yes, Local: true},
			&cli.BoolFlag{Name: "non-interactive", Usage: "ask nothing; mend without asking if --repair is given", Destination: &f.nonInteractive, Local: true},
			&cli.BoolFlag{Name: "force", Usage: "also do what takes away what somebody made on purpose: drop-ins, service files of other programs", Destination: &f.force, Local: true},
			&cli.StringSliceFlag{Name: "only", Usage: "look at, and mend, nothing but findings of `CODE`; may be repeated", Local: true},
			&cli.BoolFlag{Name: "all", Usage: "look at every profile of the registry", Destination: &f.all, Local: true},
			&cli.BoolFlag{Name: "system", Usage: "look at the service of the machine, which runs without a login", Local: true},
		},
		Commands: []*cli.Command{a.doctorUndoCommand()},
		Action: func(ctx context.Context, c *cli.Command) error {
			var err error
			if f.only, err = doctorCodes(c.StringSlice("only")); err != nil {
				return err
			}
			if f.force && !f.repair && !f.dryRun {
				return usageError("--force goes with --repair or --dry-run")
			}
			if f.all && (a.profileFlag != "" || a.devFlag) {
				return usageError("--all and a profile contradict each other; leave one out")
			}
			if err := a.takeVars(); err != nil {
				return err
			}
			return a.within(ctx, c, "doctor", func() error { return a.doctor(ctx, f) })
		},
	}
}

// doctorCodes reads the values of --only, which may hold several codes each.
func doctorCodes(values []string) ([]doctor.Code, error) {
	var out []doctor.Code
	for _, v := range values {
		for word := range strings.SplitSeq(v, ",") {
			code := doctor.Code(strings.TrimSpace(word))
			if !slices.ContainsFunc(doctor.Codes(), func(d doctor.CodeDoc) bool { return d.Code == code }) {
				return nil, usageError("--only %s: there is no such finding; they are listed in docs/findings.md", word)
			}
			out = append(out, code)
		}
	}
	return out, nil
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
	targets := make([]doctor.Target, len(ps))
	for i, p := range ps {
		if targets[i], err = a.doctorTarget(p, r); err != nil {
			return fmt.Errorf("profile %s: %w", p.Name, err)
		}
	}
	if f.repair && !f.dryRun {
		for _, t := range targets {
			if t.Unit.Scope == servicegen.ScopeSystem && os.Getuid() != 0 {
				return a.needsRoot(fmt.Sprintf("service %s belongs to the machine, so root mends it", t.Unit.Name))
			}
		}
		for _, t := range targets {
			a.recover(ctx, t, f, &report)
		}
	}
	seen := doctor.Survey(ctx, targets)
	for i, t := range targets {
		if i > 0 && len(report.Outcomes) > 0 {
			seen[i] = doctor.Observe(ctx, t) // mending the others took its time
		}
		if err := a.examine(ctx, t, seen[i], f, &report); err != nil {
			return fmt.Errorf("profile %s: %w", t.Profile.Name, err)
		}
	}
	report.Findings = doctor.Distinct(report.Findings)
	for _, finding := range report.Findings {
		report.OK = report.OK && !finding.Left()
	}
	if f.json {
		if err := a.printJSON(report); err != nil {
			return err
		}
	} else {
		a.printFindings(report, f)
		if f.dryRun {
			for _, plan := range report.Plans {
				printPlan(a.stdout, plan)
			}
		}
	}
	if !report.OK {
		return quiet(exitcode.Failed)
	}
	return nil
}

// doctorTarget is what doctor looks at for p.
func (a *app) doctorTarget(p profiles.Profile, r *profiles.Registry) (doctor.Target, error) {
	s, err := a.service(p, r)
	return a.lookAt(s, r), err
}

// machineDir is where repairs of services of the machine keep their journals: the
// state dirs are open to users, whom root must not trust.
const machineDir = "/var/lib/coderclaw/doctor"

// doctorKey is the file with the key of the journals. It lies beside the registry, where
// gateways cannot read it.
func doctorKey(r *profiles.Registry) string {
	return filepath.Join(filepath.Dir(r.Path()), "doctor.key")
}

// lookAt is what doctor looks at for the profile of s.
func (a *app) lookAt(s unitService, r *profiles.Registry) doctor.Target {
	t := doctor.Target{Profile: s.profile, Host: s.host, Unit: s.unit, Spec: s.spec, Env: a.env,
		KeyFile: doctorKey(r), Profiles: r, Shared: a.shared(r), Stranger: s.otherRegistry,
		Linger: func(ctx context.Context) error { return servicegen.EnableLinger(ctx, a.ownManager()) }}
	if s.unit.Scope == servicegen.ScopeSystem && os.Getuid() == 0 {
		t.JournalDir, t.KeyFile = filepath.Join(machineDir, s.profile.Name), filepath.Join(machineDir, "key")
		if s.site.turn != nil {
			t.AsRoot = s.site.asRoot
		}
	}
	return doctor.KeepProgram(t, envValue(a.env, "HOME"))
}

// shared looks at what all profiles of a machine share, at each call anew.
func (a *app) shared(r *profiles.Registry) func(context.Context) *doctor.Machine {
	return func(ctx context.Context) *doctor.Machine {
		return doctor.ObserveMachine(ctx, doctor.MachineOptions{Format: nativeFormat(), Host: a.ownManager(), Registry: r, Env: a.env})
	}
}

// ownManager is the service manager of whoever runs this.
func (a *app) ownManager() servicegen.HostOptions {
	return servicegen.HostOptions{Scope: servicegen.ScopeUser, UID: os.Getuid(), Env: servicegen.Lookup(a.env)}
}

// recover ends what an earlier repair was interrupted in.
func (a *app) recover(ctx context.Context, t doctor.Target, f doctorFlags, report *doctorReport) {
	ended, err := doctor.Recover(ctx, t)
	a.outcomes(report, f, ended...)
	if err != nil {
		fmt.Fprintf(a.stderr, "coderclaw: profile %s: %v\n", t.Profile.Name, err)
	}
}

// examine says what of one profile is not as it should be and, if asked to, mends it.
func (a *app) examine(ctx context.Context, t doctor.Target, seen doctor.Observation, f doctorFlags, report *doctorReport) error {
	for tries := 1; ; tries++ {
		err := a.mend(ctx, t, seen, f, report)
		if _, changed := errors.AsType[*swapfile.ChangedError](err); !changed || tries >= doctorTries || !a.unattended(f) {
			return err
		}
		seen = doctor.Observe(ctx, t) // somebody is editing; what they wrote is looked at anew
	}
}

// doctorTries bounds how often a plan is made anew because files changed under it.
const doctorTries = 3

// unattended tells whether nobody is asked before a repair.
func (a *app) unattended(f doctorFlags) bool {
	return f.yes || f.nonInteractive || !isTerminal(a.stdin)
}

// mend is one round of examining, planning and applying. A *swapfile.ChangedError
// says that nothing was written, and nothing was added to the report.
func (a *app) mend(ctx context.Context, t doctor.Target, seen doctor.Observation, f doctorFlags, report *doctorReport) error {
	if ctx.Err() != nil { // who did not answer in time was not asked to the end
		return fmt.Errorf("%w before everything was looked at; nothing was changed", context.Cause(ctx))
	}
	found := selected(doctor.Examine(t, seen), f.only)
	if !f.repair && !f.dryRun {
		report.Findings = append(report.Findings, found...)
		return nil
	}
	plan, err := doctor.MakePlan(t, seen, found, doctor.PlanOptions{Only: f.only, Force: f.force})
	if err != nil { // against some findings; the rest is mended all the same
		fmt.Fprintf(a.stderr, "coderclaw: profile %s: %v\n", plan.Profile, err)
		report.OK = false
	}
	planned := !plan.Empty() || len(plan.Withheld) > 0
	people := a.forPeople(f)
	if planned && !f.dryRun {
		printPlan(people, plan)
	}
	if f.dryRun || plan.Empty() || !a.unattended(f) && !confirm(a.stdin, people, "Apply this to profile "+plan.Profile+"?") {
		report.Findings = append(report.Findings, found...)
		if planned {
			report.Plans = append(report.Plans, plan)
		}
		return nil
	}
	out, err := doctor.Apply(ctx, t, seen, plan)
	if err != nil {
		return err
	}
	report.Plans = append(report.Plans, plan)
	a.outcomes(report, f, out)
	report.Findings = append(report.Findings, doctor.Compare(found, selected(doctor.Examine(t, *out.After), f.only))...)
	return nil
}

// forPeople is where words for people go: stdout, unless that is for JSON.
func (a *app) forPeople(f doctorFlags) io.Writer {
	if f.json {
		return a.stderr
	}
	return a.stdout
}

func selected(found []doctor.Finding, only []doctor.Code) []doctor.Finding {
	if len(only) == 0 {
		return found
	}
	return slices.DeleteFunc(found, func(f doctor.Finding) bool { return !slices.Contains(only, f.Code) })
}

// outcomes adds them to the report, and shows them to people.
func (a *app) outcomes(report *doctorReport, f doctorFlags, list ...doctor.Outcome) {
	for _, out := range list {
		report.Outcomes = append(report.Outcomes, out)
		report.OK = report.OK && out.Result == doctor.Applied
		printOutcome(a.forPeople(f), out)
	}
}
