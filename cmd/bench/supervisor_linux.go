package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/cmd/bench/supbench"
)

// benchSupervisor is `bench supervisor`.
func benchSupervisor(ctx context.Context, args []string) error {
	o := supbench.Options{Build: build, Out: os.Stdout, Children: []int{3, 50, 300}}
	f := flag.NewFlagSet("supervisor", flag.ContinueOnError)
	f.Func("n", "numbers of `CHILDREN`, each at least 3 (default 3,50,300)", func(text string) error {
		o.Children = nil
		for part := range strings.SplitSeq(text, ",") {
			n, err := strconv.Atoi(part)
			if err != nil || n < 3 {
				return fmt.Errorf("%q is no number from 3 on", part)
			}
			o.Children = append(o.Children, n)
		}
		return nil
	})
	f.IntVar(&o.Rounds, "rounds", rounds, "how often each is measured; the best counts")
	f.IntVar(&o.Kills, "kills", 200, "kills in each round")
	f.DurationVar(&o.Idle, "idle", 10*time.Second, "how long it is watched while nothing happens")
	f.StringVar(&o.Child, "child", "", "the supervised program: c or go; without it C where cc links statically")
	f.StringVar(&o.Pprof, "pprof", "", "write pprof profiles of each last round to `DIR`; its times are then not to be trusted")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.Rounds < 1 || o.Kills < 1 || o.Idle <= 0 || f.NArg() > 0 {
		return fmt.Errorf("-rounds, -kills and -idle must be above 0, and nothing may follow: %q", f.Args())
	}
	return supbench.Run(ctx, o)
}

// supervise makes this process the supervisor under test.
func supervise(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s is for the benchmark itself", supbench.SuperviseVerb)
	}
	return supbench.Supervise(ctx, args[0])
}

const superviseVerb = supbench.SuperviseVerb
