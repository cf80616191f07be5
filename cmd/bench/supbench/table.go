//go:build linux

package supbench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one line of a table. The best, which is the least, of the rounds counts.
type row struct {
	what        string
	unit        string
	ours, floor []float64 // of each round; no floor: there is none
	bar         float64   // that ours must not pass; below 0: there is none
	times       bool      // the bar is a multiple of the floor
}

func (r *row) met() bool {
	if r.times {
		return slices.Min(r.ours) <= r.bar*slices.Min(r.floor)
	}
	return slices.Min(r.ours) <= r.bar
}

// columns of the table: "best (median)" for what was measured more than once.
func (r *row) columns() []string {
	floor, ratio, bar, met := "-", "-", strings.TrimSpace(fmt.Sprintf("<= %s %s", number(r.bar), r.unit)), "yes"
	if len(r.floor) > 0 {
		floor = r.spread(r.floor)
		ratio = fmt.Sprintf("%.2f", slices.Min(r.ours)/slices.Min(r.floor))
	}
	switch {
	case r.bar < 0:
		bar, met = "-", "-"
	case r.times:
		bar = fmt.Sprintf("<= %s x", number(r.bar))
	}
	if r.bar >= 0 && !r.met() {
		met = "NO"
	}
	return []string{r.what, r.spread(r.ours), floor, ratio, bar, met}
}

func (r *row) spread(all []float64) string {
	if len(all) == 1 {
		return fmt.Sprintf("%s %s", number(all[0]), r.unit)
	}
	sorted := slices.Sorted(slices.Values(all))
	return fmt.Sprintf("%s (%s) %s", number(sorted[0]), number(sorted[len(sorted)/2]), r.unit)
}

// number writes three digits that count.
func number(f float64) string {
	switch {
	case f == float64(int(f)):
		return fmt.Sprintf("%d", int(f))
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	case f >= 1:
		return fmt.Sprintf("%.2f", f)
	}
	return fmt.Sprintf("%.3f", f)
}

// table keeps its rows in the order in which they were first added to.
type table struct {
	title string
	rows  []*row
}

// add notes what one round has measured. floor is 0 where there is none.
func (t *table) add(r row, ours, floor float64) {
	i := slices.IndexFunc(t.rows, func(other *row) bool { return other.what == r.what })
	if i < 0 {
		i = len(t.rows)
		t.rows = append(t.rows, &r)
	}
	at := t.rows[i]
	at.ours = append(at.ours, ours)
	if floor > 0 {
		at.floor = append(at.floor, floor)
	}
}

func (t *table) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(tw, "\n%s\nWHAT\tOURS\tFLOOR\tRATIO\tBAR\tMET?\n", t.title)
	for _, r := range t.rows {
		for i, c := range r.columns() {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, c)
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile is the value that p of 100 do not pass.
func percentile(all []time.Duration, p int) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return ms(sorted[(len(sorted)*p+99)/100-1])
}
