// Package table owns how the benchmarks print what they have measured in rounds:
// ours beside the floor of the same run, with their ratio and the bar.
package table

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Row is one line of a table. The best of the rounds counts, which is the least,
// or the most where More is set.
type Row struct {
	What  string
	Unit  string
	Bar   float64 // that ours must not pass, or must reach; below 0: there is none
	Times bool    // the bar is a multiple of the floor
	More  bool    // more is better

	ours, floor []float64 // of each round; no floor: there is none
}

func (r *Row) best(all []float64) float64 {
	if r.More {
		return slices.Max(all)
	}
	return slices.Min(all)
}

func (r *Row) met() bool {
	bar := r.Bar
	if r.Times {
		bar *= r.best(r.floor)
	}
	if r.More {
		return r.best(r.ours) >= bar
	}
	return r.best(r.ours) <= bar
}

// columns of the table: "best (median)" for what was measured more than once.
func (r *Row) columns() []string {
	sign := "<="
	if r.More {
		sign = ">="
	}
	floor, ratio, bar, met := "-", "-", strings.TrimSpace(fmt.Sprintf("%s %s %s", sign, number(r.Bar), r.Unit)), "yes"
	if len(r.floor) > 0 {
		floor = r.spread(r.floor)
		ratio = fmt.Sprintf("%.2f", r.best(r.ours)/r.best(r.floor))
	}
	switch {
	case r.Bar < 0:
		bar, met = "-", "-"
	case r.Times:
		bar = fmt.Sprintf("%s %s x", sign, number(r.Bar))
	}
	if r.Bar >= 0 && !r.met() {
		met = "NO"
	}
	return []string{r.What, r.spread(r.ours), floor, ratio, bar, met}
}

func (r *Row) spread(all []float64) string {
	if len(all) == 1 {
		return fmt.Sprintf("%s %s", number(all[0]), r.Unit)
	}
	sorted := slices.Sorted(slices.Values(all))
	return fmt.Sprintf("%s (%s) %s", number(r.best(all)), number(sorted[len(sorted)/2]), r.Unit)
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

// Table keeps its rows in the order in which they were first added to.
type Table struct {
	Title string
	rows  []*Row
}

// Add notes what one round has measured. floor is 0 where there is none.
func (t *Table) Add(r Row, ours, floor float64) {
	i := slices.IndexFunc(t.rows, func(other *Row) bool { return other.What == r.What })
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

// Print writes the table.
func (t *Table) Print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(tw, "\n%s\nWHAT\tOURS\tFLOOR\tRATIO\tBAR\tMET?\n", t.Title)
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

// Ms is d in milliseconds.
func Ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Percentile is the value that p of 100 do not pass, in milliseconds.
func Percentile(all []time.Duration, p int) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return Ms(sorted[(len(sorted)*p+99)/100-1])
}
