//go:build !linux

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
)

func unsupported() error {
	return fmt.Errorf("control groups exist only on Linux: %w", errors.ErrUnsupported)
}

// Tree cannot be had on this system.
type Tree struct{}

// Detect says that this system has no control groups.
func Detect(func(group string) bool) (*Tree, error) { return nil, unsupported() }

// Under says that this system has no control groups.
func Under(string) (*Tree, error) { return nil, unsupported() }

// Adopt is a tree that does nothing.
func Adopt(string, *os.File) *Tree { return &Tree{} }

// Dir is empty.
func (t *Tree) Dir() string { return "" }

// Lock is nil.
func (t *Tree) Lock() *os.File { return nil }

// Enter says that this system has no control groups.
func (t *Tree) Enter() ([]Missing, error) { return nil, unsupported() }

// Close does nothing.
func (t *Tree) Close() error { return nil }

// Leaf says that this system has no control groups.
func (t *Tree) Leaf(context.Context, string) (*Leaf, error) { return nil, unsupported() }

// Leaves are none.
func (t *Tree) Leaves() ([]*Leaf, error) { return nil, nil }

// Leaf cannot be had on this system.
type Leaf struct{}

// Dir is empty.
func (l *Leaf) Dir() string { return "" }

// Name is empty.
func (l *Leaf) Name() string { return "" }

// FD says that this system has no control groups.
func (l *Leaf) FD() (*os.File, error) { return nil, unsupported() }

// SetLimits says that this system has no control groups.
func (l *Leaf) SetLimits(Limits) (Applied, error) { return Applied{}, unsupported() }

// Events says that this system has no control groups.
func (l *Leaf) Events() (Events, error) { return Events{}, unsupported() }

// MemoryCurrent says that this system has no control groups.
func (l *Leaf) MemoryCurrent() (uint64, error) { return 0, unsupported() }

// Pids says that this system has no control groups.
func (l *Leaf) Pids() ([]int, error) { return nil, unsupported() }

// Populated says that this system has no control groups.
func (l *Leaf) Populated() (bool, error) { return false, unsupported() }

// Kill says that this system has no control groups.
func (l *Leaf) Kill() error { return unsupported() }

// Wait says that this system has no control groups.
func (l *Leaf) Wait(context.Context) error { return unsupported() }

// Remove says that this system has no control groups.
func (l *Leaf) Remove() error { return unsupported() }

// End says that this system has no control groups.
func (l *Leaf) End(context.Context) error { return unsupported() }
