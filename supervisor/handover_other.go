//go:build !linux

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"time"
)

func noHandover() error {
	return fmt.Errorf("a supervisor takes the place of another only on Linux: %w", errors.ErrUnsupported)
}

func handoverFile([]byte) (*os.File, error) { return nil, noHandover() }

func adoptFile(int, string) (*os.File, error) { return nil, noHandover() }

func adoptListener(int, string) (*os.File, error) { return nil, noHandover() }

func monotonic() time.Duration { return 0 } // nobody asks on this system
