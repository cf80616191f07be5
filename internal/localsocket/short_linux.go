package localsocket

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// byDescriptor goes through an open descriptor of the directory, whose path is short.
func byDescriptor(dir, name string) (string, func(), error) {
	d, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(fmt.Sprintf("/proc/self/fd/%d", d.Fd()), name), func() { _ = d.Close() }, nil
}
