// Command coderclaw runs isolated AI gateways on this machine, keeps them alive
// and owns their service files. main only lends the process to run; everything
// that can be tested happens below it.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/coderclaw/coderclaw/supervisor"
)

func main() {
	holdThread()
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	code := run(ctx, os.Args, os.LookupEnv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(int(code))
}

// holdThread keeps a supervisor that takes the place of another on the first thread
// of the process, on which this goroutine begins: the gateways that it finds are
// that thread's, and another execve must come from there. See instance.Forker.Become.
func holdThread() {
	if _, ok := os.LookupEnv(supervisor.EnvReexec); ok {
		runtime.LockOSThread()
	}
}
