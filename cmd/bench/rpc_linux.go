package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/cmd/bench/rpcbench"
)

// benchRPC is `bench rpc`.
func benchRPC(ctx context.Context, args []string) error {
	o := rpcbench.Options{Build: build, Out: os.Stdout, Parts: rpcbench.Parts()}
	f := flag.NewFlagSet("rpc", flag.ContinueOnError)
	f.IntVar(&o.Rounds, "rounds", rounds, "how often each is measured; the best counts")
	f.IntVar(&o.Crowd, "crowd", 10_000, "idle clients that are told one thing")
	f.IntVar(&o.Storm, "storm", 1000, "clients that come at once")
	f.StringVar(&o.Gateway, "gateway", "", "measure this `PROGRAM` instead of building one")
	f.Func("only", "the `PARTS` to measure, of calls,handshakes,crowd,storm", func(text string) error {
		o.Parts = nil
		for name := range strings.SplitSeq(text, ",") {
			i := slices.IndexFunc(rpcbench.Parts(), func(p rpcbench.Part) bool { return p.Name == name })
			if i < 0 {
				return fmt.Errorf("there is no part %q", name)
			}
			o.Parts = append(o.Parts, rpcbench.Parts()[i])
		}
		return nil
	})
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.Rounds < 1 || o.Crowd < 1 || o.Storm < 1 || f.NArg() > 0 {
		return fmt.Errorf("-rounds, -crowd and -storm must be above 0, and nothing may follow: %q", f.Args())
	}
	return rpcbench.Run(ctx, o)
}
