package logfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
)

const (
	readSize = 64 << 10 // of one read from a pipe; what a pipe holds on Linux
	slack    = 4 << 10  // for the beginning of a line that a read leaves over
	maxLine  = 1 << 20  // beyond it a line is stored in pieces
)

// ReadFrom stores what r yields until its end, in batches of whole lines; a last
// line without its end gets one. A line is never mixed with another reader's.
// Lines that repeat the one before are stored as one that counts them; see
// collapser. On a write error it goes on reading, so that whoever writes to a
// pipe is not stopped by a full disk, and returns the first such error at the end.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	i := &Intake{w: w}
	_, err := i.take(r.Read, func() bool { return false }, func() bool { return false })
	return i.total, err
}

// Intake is ReadFrom in pieces: for a reader that is quiet for days, and whose
// memory is most of what a supervisor of many needs. It is for one goroutine at a time.
type Intake struct {
	w      *Writer
	c      collapser
	begun  []byte // of a line whose end has not come
	total  int64
	failed error // the first to write
}

// Intake begins with the beginning of a line that an earlier one has left.
func (w *Writer) Intake(begun []byte) *Intake { return &Intake{w: w, begun: slices.Clone(begun)} }

// Take stores what f yields without waiting, and tells whether that was the last;
// the error is then as of ReadFrom. When stop says so it ends early, and f keeps what
// was not read. On systems where a read cannot be kept from waiting, it waits.
func (i *Intake) Take(f *os.File, stop func() bool) (last bool, err error) {
	read := func(b []byte) (int, error) { return readNow(f, b) }
	if stop() {
		return false, nil
	}
	if last, whole, err := i.sip(read); whole {
		return last, err
	}
	return i.take(read, stop, func() bool { return moreSoon(f) })
}

// sipSize is more than most gateways print at a time, in bytes.
const sipSize = 1 << 10

// sip is take for an end and for a few lines, which need no large buffer. It tells
// whether that was all.
func (i *Intake) sip(read func([]byte) (int, error)) (last, whole bool, err error) {
	buf := slices.Grow(i.begun, sipSize)
	n, err := read(buf[len(buf) : len(buf)+sipSize])
	i.total += int64(n)
	buf = i.lines(buf[:len(buf)+n])
	if err != nil && !errors.Is(err, errNothing) {
		return true, true, i.finish(buf, err)
	}
	i.begun = nil
	if len(buf) > 0 {
		i.begun = slices.Clone(buf)
	}
	if whole = n < sipSize; whole {
		i.c.trim()
	}
	return false, whole, nil
}

// End stores what was held back and returns the beginning of a line whose end has not come.
func (i *Intake) End() (begun []byte, err error) {
	i.store(i.c.flush())
	return i.begun, i.failed
}

// errNothing says that a read would wait.
var errNothing = errors.New("nothing is there")

// take reads until there is nothing. In a flood it asks more whether to go on: to be
// called again costs about as much as it takes to store what a pipe holds.
func (i *Intake) take(read func([]byte) (int, error), stop, more func() bool) (last bool, err error) {
	got := 0 // since there was nothing last
	buf := append(i.w.o.Buffers.get(), i.begun...)
	i.begun = nil
	defer func() { i.w.o.Buffers.put(buf) }()
	for {
		if stop() {
			i.begun = slices.Clone(buf)
			return false, nil
		}
		buf = slices.Grow(buf, readSize) // one read empties a full pipe
		n, err := read(buf[len(buf) : len(buf)+readSize])
		i.total += int64(n)
		got += n
		buf = buf[:len(buf)+n]
		buf = i.lines(buf)
		switch {
		case err == nil:
		case errors.Is(err, errNothing) && got >= flood && more():
			got = 0
		case errors.Is(err, errNothing):
			i.begun = slices.Clone(buf)
			i.c.trim()
			return false, nil
		default:
			err = i.finish(buf, err)
			buf = buf[:0]
			return true, err
		}
	}
}

// lines stores the whole lines of buf and returns what is behind them.
func (i *Intake) lines(buf []byte) []byte {
	end := bytes.LastIndexByte(buf, '\n') + 1
	if end == 0 && len(buf) >= maxLine {
		buf = append(buf, '\n')
		end = len(buf)
	}
	if end == 0 {
		return buf
	}
	i.store(i.c.add(buf[:end], i.w.o.Now()))
	return buf[:copy(buf, buf[end:])]
}

// finish stores the beginning of a line as the last one. err is why no more comes.
func (i *Intake) finish(begun []byte, err error) error {
	if len(begun) > 0 {
		i.store(i.c.add(append(begun, '\n'), i.w.o.Now()))
	}
	i.store(i.c.flush())
	i.begun = nil
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, i.failed)
}

func (i *Intake) store(batch []byte) {
	if len(batch) == 0 {
		return
	}
	if _, err := i.w.Write(batch); err != nil && i.failed == nil {
		i.failed = err
	}
	if i.w.o.Observe != nil {
		i.w.o.Observe(batch)
	}
}
