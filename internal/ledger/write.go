package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
)

// page is what one write at the beginning of a file puts there as a whole, also
// when this process is killed meanwhile.
const page = 4096

// writeLocked does not wait for the disk: after a reboot no entry can match. A
// record of a page, which is that of any but a strange profile, is written over the
// one before: to make a file for each start costs more than all else that a start
// leaves to do. Blanks cover what is left of a longer one.
func (l *Ledger) writeLocked() error {
	raw, err := json.Marshal(file{version, append([]Entry{}, l.entries...)})
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	raw = append(raw, '\n')
	size := max(len(raw), l.size)
	if size > page {
		if err := atomicfile.WriteVolatile(l.path, raw, 0o600); err != nil {
			return err
		}
		l.size = len(raw)
		return nil
	}
	raw = append(raw, bytes.Repeat([]byte{'\n'}, size-len(raw))...)
	if err := overwrite(l.path, raw); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	l.size = size
	return nil
}

func overwrite(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Close())
}
