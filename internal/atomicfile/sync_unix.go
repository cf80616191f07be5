//go:build unix

package atomicfile

import (
	"errors"
	"os"
)

// SyncDir makes what was made, renamed or removed in dir last through a power cut.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
