// Package logfile owns the rolling log of one profile: its name, its rotation by
// day and size, and how lines get into it. It does not look into lines.
package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Defaults of Options.
const (
	DefaultMaxBytes = 64 << 20 // of one file
	DefaultMaxFiles = 10
)

// Options says where a log is kept and how much of it. The zero values of the
// last three mean DefaultMaxBytes, DefaultMaxFiles and time.Now.
type Options struct {
	Dir      string
	MaxBytes int64
	MaxFiles int
	Now      func() time.Time
	// Observe, if set, is given every batch of whole lines that ReadFrom stores.
	// It must not keep the slice.
	Observe func(batch []byte)
}

// Writer appends to the log of today. It is safe for concurrent use.
type Writer struct {
	o Options

	mu   sync.Mutex // guards what follows
	file *os.File
	day  string
	size int64
}

const (
	prefix = "coderclaw-"
	suffix = ".log"
	day    = "2006-01-02"
)

// Open opens the log below o.Dir, which is made with mode 0700.
func Open(o Options) (*Writer, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = DefaultMaxFiles
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("log dir: %w", err)
	}
	w := &Writer{o: o}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w, w.openLocked()
}

// openLocked opens the file of today and drops the oldest files. w.mu must be held.
func (w *Writer) openLocked() error {
	today := w.o.Now().Format(day)
	f, err := os.OpenFile(filepath.Join(w.o.Dir, prefix+today+suffix), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("log: %w", err), f.Close())
	}
	w.file, w.day, w.size = f, today, info.Size()
	return w.prune()
}

// Write appends p, which should be whole lines. It opens a new file first when
// the day is over or the file would grow beyond its size.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return 0, fmt.Errorf("log: %w", fs.ErrClosed)
	}
	if err := w.rotateLocked(int64(len(p))); err != nil {
		return 0, err
	}
	n, err := w.file.Write(p)
	w.size += int64(n)
	return n, err
}

// rotateLocked makes room for n more bytes. w.mu must be held.
func (w *Writer) rotateLocked(n int64) error {
	newDay := w.o.Now().Format(day) != w.day
	if !newDay && (w.size == 0 || w.size+n <= w.o.MaxBytes) {
		return nil
	}
	old := w.file
	if !newDay {
		part, err := w.freePart()
		if err != nil {
			return err
		}
		if err := os.Rename(old.Name(), part); err != nil {
			return fmt.Errorf("rotate log: %w", err)
		}
	}
	if err := w.openLocked(); err != nil {
		w.file = old // better a file of a wrong name than a lost line
		return err
	}
	return old.Close()
}

// freePart is the name under which the full file of today is put aside.
func (w *Writer) freePart() (string, error) {
	for i := 1; ; i++ {
		name := filepath.Join(w.o.Dir, fmt.Sprintf("%s%s.%d%s", prefix, w.day, i, suffix))
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", fmt.Errorf("rotate log: %w", err)
		}
	}
}

// prune removes the oldest files beyond MaxFiles.
func (w *Writer) prune() error {
	files, err := list(w.o.Dir)
	if err != nil {
		return err
	}
	for i := 0; i < len(files)-w.o.MaxFiles; i++ {
		if err := os.Remove(files[i].path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("old log: %w", err)
		}
	}
	return nil
}

// Path is the file that is written to now.
func (w *Writer) Path() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return ""
	}
	return w.file.Name()
}

// Close closes the file; later writes fail.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return f.Close()
}

const (
	readSize = 64 << 10 // of one read from a pipe; what a pipe holds on Linux
	maxLine  = 1 << 20  // beyond it a line is stored in pieces
)

// ReadFrom stores what r yields until its end, in batches of whole lines; a last
// line without its end gets one. A line is never mixed with another reader's.
// On a write error it goes on reading, so that whoever writes to a pipe is not
// stopped by a full disk, and returns the first such error at the end.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	var total int64
	var failed error
	store := func(batch []byte) {
		if len(batch) == 0 {
			return
		}
		if _, err := w.Write(batch); err != nil && failed == nil {
			failed = err
		}
		if w.o.Observe != nil {
			w.o.Observe(batch)
		}
	}
	buf := make([]byte, 0, readSize)
	for {
		if cap(buf)-len(buf) < readSize/2 {
			buf = slices.Grow(buf, readSize)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		total += int64(n)
		buf = buf[:len(buf)+n]
		end := bytes.LastIndexByte(buf, '\n') + 1
		if end == 0 && len(buf) >= maxLine {
			buf = append(buf, '\n')
			end = len(buf)
		}
		store(buf[:end])
		buf = buf[:copy(buf, buf[end:])]
		if err != nil {
			if len(buf) > 0 {
				store(append(buf, '\n'))
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return total, errors.Join(err, failed)
		}
	}
}

type entry struct {
	path string
	mod  time.Time
}

// list returns the log files of dir, the oldest first.
func list(dir string) ([]entry, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("log dir: %w", err)
	}
	var out []entry
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !strings.HasSuffix(e.Name(), suffix) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		out = append(out, entry{filepath.Join(dir, e.Name()), info.ModTime()})
	}
	slices.SortFunc(out, func(a, b entry) int {
		if c := a.mod.Compare(b.mod); c != 0 {
			return c
		}
		return strings.Compare(b.path, a.path) // "….1.log" was put aside before "….log" was begun
	})
	return out, nil
}

// Newest is the log file of dir that was written last; fs.ErrNotExist when there is none.
func Newest(dir string) (string, error) {
	files, err := list(dir)
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("no log in %s: %w", dir, fs.ErrNotExist)
	}
	return files[len(files)-1].path, nil
}
