// Package lockfile owns exclusive locks on files that die with their holder, and
// the text by which a holder says who it is. It knows nothing of what the locks
// are for.
package lockfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// HeldError says that somebody else holds the lock.
type HeldError struct {
	Path    string
	Content []byte // what the holder wrote about itself; empty where the system hides it
}

func (e *HeldError) Error() string {
	first, _, _ := bytes.Cut(bytes.TrimSpace(e.Content), []byte("\n"))
	if len(first) == 0 {
		return e.Path + " is held"
	}
	return fmt.Sprintf("%s is held by %s", e.Path, first)
}

// Lock is a held lock. It belongs to the open file and not to the process, so
// that a second TryLock in the same process fails too. Children do not inherit it.
type Lock struct {
	path string
	file *os.File
}

// TryLock takes the lock on path, which is made with mode 0600 when it does not
// exist. It returns a *HeldError when it is held. A link in its place is refused, and
// so is everything that is no file: a holder writes there, and empties it at the end.
func TryLock(path string) (*Lock, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	ok, err := tryLock(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	if !ok {
		content, _ := ReadContent(path) // only for the message
		_ = f.Close()                   // nothing was written through it
		return nil, &HeldError{Path: path, Content: content}
	}
	return &Lock{path: path, file: f}, nil
}

// maxContent bounds what is read of a lock, in bytes; no holder says more of itself.
const maxContent = 64 << 10

// ReadContent is what the holder of the lock on path wrote about itself, of a file
// that somebody filled with more than that only the beginning.
func ReadContent(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxContent))
	return b, errors.Join(err, f.Close())
}

// Waits of Acquire between two tries.
const (
	firstWait = 5 * time.Millisecond
	lastWait  = 50 * time.Millisecond
)

// Acquire takes the lock, waiting for it until ctx ends.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		l, err := TryLock(path)
		if _, held := errors.AsType[*HeldError](err); !held {
			return l, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		case <-timer.C:
		}
	}
}

// Adopt is the lock on path that a program held through f, see File, and which
// lasts as long as f is open.
func Adopt(path string, f *os.File) *Lock { return &Lock{path: path, file: f} }

// File is the open file that the lock belongs to. Whoever has it open holds the
// lock: it can be passed on to a program that takes the place of this one.
func (l *Lock) File() *os.File { return l.file }

// SetContent makes b what others read of the holder. A reader may meet the file
// half written; b should be something that then does not parse. Where it replaces
// a content, a reader meets the old one or b, with newlines behind it.
func (l *Lock) SetContent(b []byte) error {
	padded := b
	if info, err := l.file.Stat(); err == nil && len(b) > 0 && info.Size() > int64(len(b)) {
		padded = append(bytes.Clone(b), bytes.Repeat([]byte("\n"), int(info.Size())-len(b))...)
	}
	if _, err := l.file.WriteAt(padded, 0); err != nil {
		return fmt.Errorf("lock %s: %w", l.path, err)
	}
	if err := l.file.Truncate(int64(len(b))); err != nil {
		return fmt.Errorf("lock %s: %w", l.path, err)
	}
	return nil
}

// Close empties the file and gives the lock back. The file stays: removing it
// would let two holders lock two files of the same name.
func (l *Lock) Close() error {
	return errors.Join(l.SetContent(nil), unlock(l.file), l.file.Close())
}
