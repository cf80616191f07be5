package gateway

import (
	"context"
	"time"
)

// Beats returns a beat of the pulse, which a test calls in place of the clock.
func (g *Gateway) Beats() func(context.Context) {
	var last beatState
	return func(ctx context.Context) { g.beat(ctx, time.Now(), &last) }
}
