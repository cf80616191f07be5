package main

import (
	"context"

	"github.com/coderclaw/coderclaw/servicegen"
)

// rootHost asks the machine's manager as root, in a process that acts as the
// account of a service the rest of the time.
type rootHost struct {
	servicegen.Host
	at site
}

func (h rootHost) Reload(ctx context.Context, u servicegen.Unit) error {
	return h.at.asRoot(func() error { return h.Host.Reload(ctx, u) })
}

func (h rootHost) Enable(ctx context.Context, u servicegen.Unit) error {
	return h.at.asRoot(func() error { return h.Host.Enable(ctx, u) })
}

func (h rootHost) Disable(ctx context.Context, u servicegen.Unit) error {
	return h.at.asRoot(func() error { return h.Host.Disable(ctx, u) })
}

func (h rootHost) Start(ctx context.Context, u servicegen.Unit) error {
	return h.at.asRoot(func() error { return h.Host.Start(ctx, u) })
}

func (h rootHost) Stop(ctx context.Context, u servicegen.Unit) error {
	return h.at.asRoot(func() error { return h.Host.Stop(ctx, u) })
}

func (h rootHost) Restart(ctx context.Context, u servicegen.Unit) error {
	return h.at.asRoot(func() error { return h.Host.Restart(ctx, u) })
}

func (h rootHost) ResetFailed(ctx context.Context, u servicegen.Unit) error {
	return h.at.asRoot(func() error { return h.Host.ResetFailed(ctx, u) })
}

func (h rootHost) State(ctx context.Context, u servicegen.Unit) (st servicegen.State, err error) {
	err = h.at.asRoot(func() error {
		st, err = h.Host.State(ctx, u)
		return err
	})
	return st, err
}
