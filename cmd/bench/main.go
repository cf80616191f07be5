//go:build unix

// Command bench measures the product beside a floor of the same run: how long
// a gateway takes from exec to hello-ok, what gateway and supervisor weigh, how
// long a restart and a crash last for a client, and `gateway status`. Each
// figure is the median of a round, and the best of five rounds counts.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

const (
	rounds     = 5
	iterations = 15
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one line of the result. Floor 0 means that there is none.
type row struct {
	what       string
	got, floor float64
	unit       string
	bar        float64
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "coderclaw-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, product: filepath.Join(dir, "coderclaw"), floor: filepath.Join(dir, "floor")}
	for out, pkg := range map[string]string{b.product: "./cmd/coderclaw", b.floor: "./cmd/bench/floor"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-tags", "urfave_cli_no_template", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
	}
	var rows []row
	for _, m := range []func(context.Context) ([]row, error){b.cold, b.supervised} {
		got, err := m(ctx)
		if err != nil {
			return err
		}
		rows = append(rows, got...)
	}
	return print(rows)
}

func print(rows []row) error {
	tw := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "MEASURE\tGOT\tFLOOR\tRATIO\tBAR\t")
	for _, r := range rows {
		floor, ratio, verdict := "-", "-", "met"
		if r.floor > 0 {
			floor, ratio = fmt.Sprintf("%.1f %s", r.floor, r.unit), fmt.Sprintf("%.1f", r.got/r.floor)
		}
		if r.got > r.bar {
			verdict = "OVER"
		}
		fmt.Fprintf(tw, "%s\t%.1f %s\t%s\t%s\t%.0f %s\t%s\n", r.what, r.got, r.unit, floor, ratio, r.bar, r.unit, verdict)
	}
	return tw.Flush()
}

// best measures in rounds and returns the lowest median, in ms.
func best(ctx context.Context, once func(context.Context) (time.Duration, error)) (float64, error) {
	var medians []time.Duration
	for range rounds {
		var all []time.Duration
		for range iterations {
			d, err := once(ctx)
			if err != nil {
				return 0, err
			}
			all = append(all, d)
		}
		slices.Sort(all)
		medians = append(medians, all[len(all)/2])
	}
	return float64(slices.Min(medians)) / float64(time.Millisecond), nil
}

// wait reaps a process that was told to end.
func wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return nil
	}
	return err
}
