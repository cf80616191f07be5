//go:build unix

package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/coderclaw/coderclaw/gateway"
)

// drainOnSignal ends the context with gateway.ErrRestart on SIGUSR1, which is
// how a supervisor asks its gateway to make room for a successor. The cancel
// function also gives the signal back.
func drainOnSignal(ctx context.Context, log *slog.Logger) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGUSR1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ch:
			log.Info("draining for a restart")
			cancel(gateway.ErrRestart)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(ch)
		cancel(nil)
		<-done
	}
}
