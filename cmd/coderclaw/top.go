package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

const (
	topOnce        = 200 * time.Millisecond // between the two samples of --once: 20 ticks of the CPU clock
	topMinInterval = 100 * time.Millisecond
)

func (a *app) topCommand() *cli.Command {
	return &cli.Command{
		Name:  "top",
		Usage: "what every gateway uses now: CPU, memory, connections",
		Description: "CPU and RSS are those of the gateway itself, ALL-CPU and ALL-RSS those of it and the PROCS below it together;\n" +
			"100 % is one core. PSS counts shared memory by halves, thirds and so on. CONNS are established connections to its port.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "once", Usage: "print one table"},
			&cli.DurationFlag{Name: "interval", Usage: "look again every `TIME`", Value: time.Second},
			&cli.BoolFlag{Name: "json", Usage: "print JSON, with --once"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			interval := c.Duration("interval")
			switch {
			case c.Bool("json") && !c.Bool("once"):
				return usageError("--json needs --once")
			case interval < topMinInterval:
				return usageError("--interval must be at least %s, got %s", topMinInterval, interval)
			case c.Bool("once"):
				return a.topOnce(ctx, c.Bool("json"))
			}
			return a.top(ctx, interval)
		},
	}
}

// topOnce prints one table from two samples.
func (a *app) topOnce(ctx context.Context, asJSON bool) error {
	r, err := a.registry()
	if err != nil {
		return err
	}
	report, err := survey(ctx, askNow, r.List(), r.List())
	if err != nil {
		return err
	}
	var m meter
	if _, err := m.sample(time.Now(), report.Instances); err != nil {
		return err
	}
	timer := time.NewTimer(topOnce)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
	}
	rows, err := m.sample(time.Now(), report.Instances)
	if err != nil {
		return err
	}
	if asJSON {
		err = a.printJSON(map[string]any{"supervisors": report.Supervisors, "instances": rows})
	} else {
		_, err = fmt.Fprint(a.stdout, topTable(rows))
	}
	if err != nil {
		return err
	}
	if len(report.Supervisors) == 0 {
		if !asJSON {
			fmt.Fprintln(a.stderr, "no supervisor is running; start one with: coderclaw up, or coderclaw gateway install")
		}
		return quiet(exitcode.NotRunning)
	}
	return nil
}

// top shows a table at each interval until ctx ends, on a terminal in place.
func (a *app) top(ctx context.Context, interval time.Duration) error {
	var m meter
	s := screen{w: a.stdout, size: func() (int, int) { return terminalSize(a.stdout) }}
	live := isTerminal(a.stdout)
	first := true
	err := a.follow(ctx, interval, func(r psReport, tick bool) error {
		if !tick && !first {
			return nil
		}
		rows, err := m.sample(time.Now(), r.Instances)
		if err != nil {
			return err
		}
		if live {
			s.draw(topTable(rows))
		} else if !first { // its CPU column would say nothing yet
			_, err = fmt.Fprintln(a.stdout, topTable(rows))
		}
		first = false
		return err
	})
	if live {
		fmt.Fprintln(a.stdout) // the terminal has shown ^C on the line below the table
	}
	return err
}

// topTable renders the rows of `top`.
func topTable(rows []usageRow) string {
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	cells := func(texts ...string) { fmt.Fprintln(tw, strings.Join(texts, "\t")+"\t") }
	width := len("PROFILE")
	for _, r := range rows {
		width = max(width, len(r.Profile)+1)
	}
	name := func(text string) string { return fmt.Sprintf("%-*s", width, text) } // the one column that stands on the left
	cells(name("PROFILE"), "STATE", "PID", "CPU", "RSS", "PSS", "PROCS", "ALL-CPU", "ALL-RSS", "CONNS", "RESTARTS", "UPTIME")
	for _, r := range rows {
		if r.Process == nil {
			cells(name(r.Profile), string(r.State), "-", "-", "-", "-", "-", "-", "-", "-", fmt.Sprint(r.Restarts), "-")
			continue
		}
		p := r.Process
		cells(name(r.Profile), string(r.State), fmt.Sprint(r.PID), percent(p.CPU), byteCount(p.RSS), optional(p.PSS), fmt.Sprint(r.Tree.Processes),
			percent(r.Tree.CPU), byteCount(r.Tree.RSS), fmt.Sprint(r.Connections), fmt.Sprint(r.Restarts), age(time.Duration(p.UptimeMs)*time.Millisecond))
	}
	_ = tw.Flush() // into memory
	return b.String()
}

func percent(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", *v)
}

func optional(bytes *int64) string {
	if bytes == nil {
		return "-"
	}
	return byteCount(*bytes)
}
