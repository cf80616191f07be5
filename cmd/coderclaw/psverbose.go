package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// psVerbose prints, below the table of `ps`, what is known beyond it.
func (a *app) psVerbose(ctx context.Context, r *profiles.Registry) error {
	report, err := survey(ctx, askNow, r.List(), r.List())
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "\nPROFILE\tISOLATION\tMEMORY\tDEATHS\tLAST EXIT\tINSTANCE\tGROUP")
	for _, i := range report.Instances {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.Profile, cmp.Or(i.Isolation, "-"), memoryOf(i.PID),
			deathsText(i.Deaths), lastExitText(i), cmp.Or(i.ID, "-"), cmp.Or(i.Group, "-"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, s := range report.Supervisors {
		fmt.Fprintf(a.stdout, "\nsupervisor pid %d, version %s%s: %s\n", s.PID, s.Version, unitNote(s.Unit), strings.Join(s.Profiles, ", "))
		if s.Trees != "" {
			fmt.Fprintf(a.stdout, "  ends whole trees by %s\n", s.Trees)
		}
	}
	return nil
}

// memoryOf is what a process and all below it take.
func memoryOf(pid int) string {
	trees, err := proctable.Trees([]int{pid})
	if err != nil || pid == 0 {
		return "-"
	}
	total := int64(0)
	for _, p := range trees[pid] {
		if _, rss, _, err := proctable.Usage(p); err == nil {
			total += rss
		}
	}
	return fmt.Sprintf("%.1f MB", float64(total)/1e6)
}

func deathsText(deaths map[string]int) string {
	var parts []string
	for _, class := range slices.Sorted(maps.Keys(deaths)) {
		parts = append(parts, fmt.Sprintf("%s %d", class, deaths[class]))
	}
	return cmp.Or(strings.Join(parts, ", "), "none")
}

func lastExitText(i control.Instance) string {
	e := i.LastExit
	switch {
	case e == nil:
		return "-"
	case e.Signal != "":
		return fmt.Sprintf("%s (%s) %s ago", e.Signal, e.Class, shortAge(time.Now(), e.At))
	}
	return fmt.Sprintf("%d (%s) %s ago", e.Code, e.Class, shortAge(time.Now(), e.At))
}
