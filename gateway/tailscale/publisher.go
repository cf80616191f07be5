package tailscale

import (
	"context"
	"log/slog"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Plan says what is to be published.
type Plan struct {
	Mode        string // serve or funnel
	Port        int
	Encrypted   bool // the port speaks TLS
	ResetOnExit bool
}

// How long the program may take: it waits for a person where the tailnet does not
// allow serve or funnel yet, and prints where to allow it. When the gateway ends,
// nobody wants to wait.
const (
	publishTimeout  = 30 * time.Second
	takeBackTimeout = 3 * time.Second
)

// Tries that failed are repeated, first soon, since at boot the gateway is often
// there before Tailscale is.
const (
	firstRetry = 5 * time.Second
	lastRetry  = 10 * time.Minute
)

// Publish publishes the port until ctx ends, and takes that back if the plan says
// so and keep, asked then, does not. What becomes of it is logged and told, from this goroutine.
func (c CLI) Publish(ctx context.Context, p Plan, keep func() bool, log *slog.Logger, tell func(protocol.Tailscale)) {
	log = log.With("mode", p.Mode, "port", p.Port)
	tell(protocol.Tailscale{Mode: p.Mode, State: protocol.TailscaleWaiting})
	if !c.untilPublished(ctx, p, log, tell) {
		return
	}
	<-ctx.Done()
	if !p.ResetOnExit || keep() {
		return
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackTimeout)
	defer cancel()
	if err := c.takeBack(limited, p.Mode); err != nil {
		log.Error("it is still published through Tailscale", "err", err)
		return
	}
	log.Info("no longer published through Tailscale")
}

// untilPublished tries until it is published, and tells whether it is.
func (c CLI) untilPublished(ctx context.Context, p Plan, log *slog.Logger, tell func(protocol.Tailscale)) bool {
	last := ""
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		limited, cancel := context.WithTimeout(ctx, publishTimeout)
		address, err := c.publish(limited, p.Mode, p.Port, p.Encrypted)
		cancel()
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			log.Info("published through Tailscale", "url", address)
			tell(protocol.Tailscale{Mode: p.Mode, State: protocol.TailscalePublished, URL: address})
			return true
		case err.Error() != last:
			last = err.Error()
			log.Error("not published through Tailscale; it is tried again", "err", err)
			tell(protocol.Tailscale{Mode: p.Mode, State: protocol.TailscaleFailed, Detail: last})
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}
