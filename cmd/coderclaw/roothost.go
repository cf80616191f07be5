package main

import (
	"context"
	"errors"
	"os"

	"github.com/coderclaw/coderclaw/servicegen"
)

// rootHost asks the machine's manager as root, in a process that acts as the
// account of a service the rest of the time. State asks as the account, which may
// be done by many at once; all else must be done by one at a time.
type rootHost struct {
	servicegen.Host
	read servicegen.Host
	at   site
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

func (h rootHost) State(ctx context.Context, u servicegen.Unit) (servicegen.State, error) {
	if os.Geteuid() == 0 { // from within asRoot
		return h.Host.State(ctx, u)
	}
	st, err := h.read.State(ctx, u)
	if !errors.Is(err, servicegen.ErrNoBus) {
		return st, err
	}
	// Without a bus the manager has a socket of its own, which only root may use.
	err = h.at.asRoot(func() (err error) {
		st, err = h.Host.State(ctx, u)
		return err
	})
	return st, err
}
