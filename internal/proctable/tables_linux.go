package proctable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// eachTable calls fn with the tables of TCP sockets, of IPv4 and of IPv6 where the
// kernel has that, until it fails.
func eachTable(fn func(io.Reader) error) error {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = fn(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}
