//go:build !linux

package supervisor

import (
	"errors"
	"fmt"
)

func openActivated(fd int) (socket, error) {
	return socket{}, fmt.Errorf("descriptor %d of %s: %w", fd, EnvListenFDs, errors.ErrUnsupported)
}
