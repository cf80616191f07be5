package client

import (
	"context"
	"errors"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Waits of Follow before it connects again.
const (
	firstWait   = time.Second
	lastWait    = 30 * time.Second
	restartWait = 100 * time.Millisecond // after a close that announced a restart
)

// Permanent marks an error that connecting again will not mend.
func Permanent(err error) error { return &permanentError{err} }

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// Follow uses one connection after the other: whenever one ends it dials again,
// after a wait that doubles from 1 s to 30 s. It ends with ctx, or with the
// error that dial or use marked as permanent.
func Follow(ctx context.Context, dial func(context.Context) (*Client, error), use func(context.Context, *Client) error) error {
	wait := firstWait
	for {
		c, err := dial(ctx)
		if err == nil {
			wait = firstWait
			err = use(ctx, c)
			if c.announcedRestart() {
				wait = restartWait
			}
			_ = c.Close()
		}
		if p, ok := errors.AsType[*permanentError](err); ok {
			return p.error
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		wait = min(max(2*wait, firstWait), lastWait)
	}
}

// announcedRestart tells whether the gateway closed the connection for a restart.
func (c *Client) announcedRestart() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	closed, ok := errors.AsType[*CloseError](c.err)
	return ok && closed.Code == protocol.CloseRestart
}
