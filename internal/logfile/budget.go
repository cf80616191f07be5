package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// pruneLocked removes those of files, which are all that are there but perhaps the
// one that is written to, that are too old, and makes the rest keep the budget.
// w.mu must be held.
func (w *Writer) pruneLocked(now time.Time, files []entry) error {
	var failed error
	oldest := now.Add(-w.o.MaxAge).Format(dayForm)
	var kept []entry
	for _, f := range files {
		if f.day >= oldest || os.SameFile(f.info, w.info) {
			kept = append(kept, f)
			continue
		}
		if err := remove(f); err != nil {
			kept = append(kept, f)
			failed = errors.Join(failed, err)
		}
	}
	if w.size > w.o.MaxBytes {
		err := w.rotateLocked()
		if err == nil {
			kept, err = list(w.o.Dir)
		}
		failed = errors.Join(failed, err)
	}
	return errors.Join(failed, w.roomLocked(0, kept))
}

// roomLocked removes the oldest of files, which are all that are there, until n more
// bytes keep the budget. What cannot be removed is passed over; the file that is
// written to is emptied when nothing else helps. w.mu must be held.
func (w *Writer) roomLocked(n int64, files []entry) error {
	w.others = 0
	for _, f := range files {
		if !os.SameFile(f.info, w.info) {
			w.others += f.info.Size()
		}
	}
	var failed error
	for _, f := range files {
		if w.others+w.size+n <= w.o.Budget {
			return nil
		}
		if os.SameFile(f.info, w.info) {
			continue
		}
		if err := remove(f); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		w.others -= f.info.Size()
	}
	if w.others+w.size+n > w.o.Budget && w.size > 0 {
		if err := w.file.Truncate(0); err != nil {
			return errors.Join(failed, fmt.Errorf("log: %w", err))
		}
		w.size = 0
	}
	if w.others+w.size+n > w.o.Budget {
		return errors.Join(failed, fmt.Errorf("log: %d bytes in %s would pass the budget of %d bytes, and nothing is left that can be removed",
			w.others+n, w.o.Dir, w.o.Budget))
	}
	return nil
}

func remove(f entry) error {
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("old log: %w", err)
	}
	return nil
}
