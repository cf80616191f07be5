//go:build !linux

package reaper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Reaper cannot be had on this system.
type Reaper struct{}

// Start says that orphans go to the first process on this system.
func Start(func(pid int) bool, *slog.Logger) (*Reaper, error) {
	return nil, fmt.Errorf("orphans come to a process of one's choice only on Linux: %w", errors.ErrUnsupported)
}

// Run waits for ctx.
func (r *Reaper) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Orphans are none.
func (r *Reaper) Orphans() ([]Orphan, error) { return nil, nil }

// End has nothing to do.
func (r *Reaper) End(context.Context, func(Orphan) bool) error { return nil }
