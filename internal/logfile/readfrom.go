package logfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"time"
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
	var total int64
	var failed error
	var c collapser
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
	var buf []byte
	awaitReadable(r) // before a buffer is taken
	for {
		if cap(buf) < readSize+slack {
			buf = append(w.o.Buffers.get(), buf...)
		}
		buf = slices.Grow(buf, readSize) // one read empties a full pipe
		n, err := readSoon(r, buf[len(buf):len(buf)+readSize])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// It may be quiet for days; a buffer for each quiet gateway would be most of our memory.
			whole := buf
			buf = slices.Clone(buf)
			w.o.Buffers.put(whole)
			awaitReadable(r)
			continue
		}
		total += int64(n)
		buf = buf[:len(buf)+n]
		end := bytes.LastIndexByte(buf, '\n') + 1
		if end == 0 && len(buf) >= maxLine {
			buf = append(buf, '\n')
			end = len(buf)
		}
		if end > 0 {
			store(c.add(buf[:end], w.o.Now()))
			buf = buf[:copy(buf, buf[end:])]
		}
		if err != nil {
			if len(buf) > 0 {
				store(c.add(append(buf, '\n'), w.o.Now()))
			}
			store(c.flush())
			w.o.Buffers.put(buf)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return total, errors.Join(err, failed)
		}
	}
}

// quiet is how long a reader has a buffer without anything to read.
const quiet = 100 * time.Millisecond

// readSoon reads, and fails with os.ErrDeadlineExceeded after quiet if r can do that.
func readSoon(r io.Reader, buf []byte) (int, error) {
	if f, ok := r.(*os.File); ok {
		_ = f.SetReadDeadline(time.Now().Add(quiet)) // what has no deadline is waited for with a buffer
	}
	return r.Read(buf)
}

// awaitReadable waits, without a buffer, until a read of r yields something. The
// error shows at the read.
func awaitReadable(r io.Reader) {
	f, ok := r.(*os.File)
	if !ok {
		return
	}
	_ = f.SetReadDeadline(time.Time{})
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Read(ready)
	}
}
