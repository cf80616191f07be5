package client

import (
	"errors"
	"io/fs"
)

// owner is nobody: there are no numeric owners on this system.
type owner struct{}

func ownerOf(fs.FileInfo) *owner { return nil }

func (owner) write(string, string, []byte) error { return errors.ErrUnsupported }
