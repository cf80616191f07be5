// Command coderclaw runs isolated AI gateways on this machine, keeps them alive
// and owns their service files. main only lends the process to run; everything
// that can be tested happens below it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/supervisor"
)

func main() {
	if _, ok := os.LookupEnv(supervisor.EnvReexec); ok {
		instance.OnFirstThread(begin) // the gateways that are there are that thread's
		return
	}
	begin()
}

func begin() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, _ := signal.NotifyContext(context.Background(), signals...) // to the end, which comes no sooner by letting go of them
	os.Exit(int(run(ctx, os.Args, os.LookupEnv, os.Stdin, os.Stdout, os.Stderr)))
}
