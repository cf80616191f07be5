//go:build unix

// Command bench measures the product beside a floor of the same run: how long
// a gateway takes from exec to hello-ok, what gateway and supervisor weigh, how
// long a restart and a crash last for a client, and `gateway status`. Each
// figure is the median of a round, and the best of five rounds counts.
//
// `bench supervisor` measures the supervisor alone instead, see package supbench, and
// `bench rpc` what the gateway's protocol costs, see package rpcbench.
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
	"syscall"
	"text/tabwriter"
	"time"
)

const (
	rounds     = 5
	iterations = 15
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	switch {
	case len(os.Args) == 1:
		err = run(ctx)
	case os.Args[1] == "supervisor":
		err = benchSupervisor(ctx, os.Args[2:])
	case os.Args[1] == "rpc":
		err = benchRPC(ctx, os.Args[2:])
	case os.Args[1] == superviseVerb:
		err = supervise(ctx, os.Args[2:])
	default:
		err = fmt.Errorf("there is no %q; use `supervisor` or `rpc`, or nothing for all that a client sees", os.Args[1])
	}
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
		if err := build(ctx, out, pkg); err != nil {
			return err
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

// build builds a package as it is released.
func build(ctx context.Context, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "urfave_cli_no_template", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	// Until a new file is on the disk its pages count as dirty, and as those of whoever maps it.
	f, err := os.Open(out)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
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
