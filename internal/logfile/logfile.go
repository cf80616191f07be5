// Package logfile owns the rolling log of one profile: the names and the order
// of its files, their rotation by day and size, the disk budget that they never
// pass, how lines get into them, and how they are read back and followed. It
// looks into lines only to see that one repeats the one before.
package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Defaults of Options.
const (
	DefaultMaxBytes = 64 << 20            // of one file
	DefaultBudget   = 256 << 20           // of all files; four of the largest
	DefaultMaxAge   = 30 * 24 * time.Hour // a month to look back
)

// Options says where a log is kept and how much of it. Zero values mean the
// defaults and time.Now.
type Options struct {
	Dir string
	// MaxBytes is the size beyond which a file is put aside. It is lowered to a
	// quarter of the budget, so that making room never costs more than that.
	MaxBytes int64
	// Budget is what all files of the log may hold together. No write passes it:
	// the oldest files go first.
	Budget int64
	// MaxAge is how old a file may become, by the day in its name.
	MaxAge time.Duration
	Now    func() time.Time
	// Observe, if set, is given every batch of whole lines that ReadFrom stores.
	// It must not keep the slice.
	Observe func(batch []byte)
	// Buffers, if set, are shared with the readers of other logs.
	Buffers *Buffers
}

// Writer appends to the log of today. It is safe for concurrent use. A directory
// has one Writer at a time that writes; the locks of a profile see to that.
type Writer struct {
	o Options

	mu      sync.Mutex // guards what follows
	closed  bool
	file    *os.File // nil before the first line and once closed
	info    fs.FileInfo
	day     string
	until   time.Time // when the day is over
	part    int       // the highest number under which a file of the day was put aside
	size    int64     // of file
	others  int64     // bytes in the other files
	checked time.Time // when the path was last seen to name file
}

// checkEvery is how long lines may go into a file that somebody has removed.
const checkEvery = time.Second

// Open opens the log below o.Dir, which is made with mode 0700, and removes what
// is too old or beyond the budget. The first file of a log is made for its first line.
func Open(o Options) (*Writer, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Budget == 0 {
		o.Budget = DefaultBudget
	}
	if o.MaxAge == 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("log dir: %w", err)
	}
	o.MaxBytes = max(1, min(o.MaxBytes, o.Budget/4))
	files, err := list(o.Dir)
	if err != nil {
		return nil, err
	}
	w := &Writer{o: o}
	if len(files) == 0 {
		return w, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.openLocked(o.Now(), files); err != nil {
		if w.file == nil {
			return nil, err
		}
		return nil, errors.Join(err, w.file.Close())
	}
	return w, nil
}

// openLocked opens the file of today and makes it the one that is written to; files
// are all that are there. When it fails before that, w is as it was. w.mu must be held.
func (w *Writer) openLocked(now time.Time, files []entry) error {
	// After a clock that ran ahead was set back, lines go on into the latest file:
	// the order of the files is worth more than their names.
	today := now.Format(dayForm)
	if len(files) > 0 {
		today = max(today, files[len(files)-1].day)
	}
	f, err := os.OpenFile(currentPath(w.o.Dir, today), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("log: %w", err), f.Close())
	}
	if today != w.day {
		w.part = 0
	}
	start, _ := time.ParseInLocation(dayForm, today, now.Location()) // today is of this form
	w.file, w.info, w.day, w.size, w.checked = f, info, today, info.Size(), now
	w.until = start.AddDate(0, 0, 1)
	w.part = max(w.part, highest(files, today))
	return errors.Join(w.pruneLocked(now, files), w.mendLocked())
}

// mendLocked ends a line that a crash left unfinished, so that the next one does
// not run into it. w.mu must be held.
func (w *Writer) mendLocked() error {
	var last [1]byte
	if w.size == 0 {
		return nil
	}
	if _, err := w.file.ReadAt(last[:], w.size-1); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if last[0] == '\n' {
		return nil
	}
	_, err := w.appendLocked([]byte{'\n'})
	return err
}

// Write appends p, which should be whole lines. It opens a new file first when
// the day is over or the file would grow beyond its size, and removes the oldest
// files when the budget would be passed. What was written before an error is
// whole lines. An error may come with n = len(p): then the lines are stored, and
// something around them failed.
func (w *Writer) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, fmt.Errorf("log: %w", fs.ErrClosed)
	}
	failed := w.refreshLocked()
	for w.file != nil && n < len(p) {
		stored, err := w.appendLocked(w.chunk(p[n:]))
		n += stored
		failed = errors.Join(failed, err)
		if stored == 0 {
			break
		}
	}
	return n, failed
}

// chunk is the beginning of p that goes into one file: all of it, or as many
// lines as a file may hold, or one longer line. Only a line beyond the whole
// budget is cut.
func (w *Writer) chunk(p []byte) []byte {
	if int64(len(p)) <= w.o.MaxBytes {
		return p
	}
	if i := bytes.LastIndexByte(p[:w.o.MaxBytes], '\n'); i >= 0 {
		return p[:i+1]
	}
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		p = p[:i+1]
	}
	if int64(len(p)) <= w.o.Budget {
		return p
	}
	return p[:w.o.MaxBytes]
}

// refreshLocked opens another file when the day is over, and when the path names
// this one no longer. On an error the old file stays: better a file of a wrong
// name than a lost line. w.mu must be held.
func (w *Writer) refreshLocked() error {
	now := w.o.Now()
	old := w.file
	if now.Before(w.until) {
		if age := now.Sub(w.checked); age >= 0 && age < checkEvery {
			return nil
		}
		w.checked = now
		info, err := os.Lstat(currentPath(w.o.Dir, w.day))
		if err == nil && os.SameFile(info, w.info) {
			w.size = info.Size()
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("log: %w", err)
		}
	}
	// Only the directory itself is made again: one whose parent is gone was removed on purpose.
	if err := os.Mkdir(w.o.Dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("log dir: %w", err)
	}
	files, err := list(w.o.Dir)
	if err != nil {
		return err
	}
	err = w.openLocked(now, files)
	if old != nil && w.file != old {
		err = errors.Join(err, old.Close())
	}
	return err
}

// appendLocked writes p to one file and returns how much of p is stored, whole
// lines. w.mu must be held.
func (w *Writer) appendLocked(p []byte) (int, error) {
	size := int64(len(p))
	var failed error
	if w.size > 0 && w.size+size > w.o.MaxBytes {
		failed = w.rotateLocked()
	}
	if w.others+w.size+size > w.o.Budget {
		files, err := list(w.o.Dir)
		if err == nil {
			err = w.roomLocked(size, files)
		}
		if err != nil {
			return 0, errors.Join(failed, err)
		}
	}
	n, err := w.file.Write(p)
	if err != nil {
		n = w.takeBackLocked(p, n)
	}
	w.size += int64(n)
	return n, errors.Join(failed, err)
}

// takeBackLocked removes the beginning of a line from the end of the file, of
// which n bytes of p were written last. It returns how much of p stays.
func (w *Writer) takeBackLocked(p []byte, n int) int {
	whole := bytes.LastIndexByte(p[:n], '\n') + 1
	info, err := w.file.Stat()
	if err != nil || w.file.Truncate(info.Size()-int64(n-whole)) != nil {
		return n
	}
	return whole
}

// rotateLocked puts the file aside under the next number of its day and begins
// another. w.mu must be held.
func (w *Writer) rotateLocked() error {
	path := currentPath(w.o.Dir, w.day)
	part, err := w.freePartLocked()
	if err != nil {
		return err
	}
	if err := os.Rename(path, part); err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("rotate log: %w", err), f.Close())
	}
	err = w.file.Close()
	w.others += w.size
	w.file, w.info, w.size = f, info, info.Size()
	return err
}

// freePartLocked is the name under which the full file is put aside. Numbers are
// not used again, also when the files that had them are gone. w.mu must be held.
func (w *Writer) freePartLocked() (string, error) {
	for {
		w.part++
		name := partPath(w.o.Dir, w.day, w.part)
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", fmt.Errorf("rotate log: %w", err)
		}
	}
}

// Path is the file that is written to now, "" before the first line and once closed.
func (w *Writer) Path() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return ""
	}
	return filepath.Clean(w.file.Name())
}

// Close closes the file; later writes fail.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return f.Close()
}
