package logfile

import (
	"bytes"
	"context"
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
	total, _, err := w.copy(context.Background(), r, nil) // nothing ends it early, so nothing is left
	return total, err
}

// Copy is ReadFrom, save that it also ends when ctx does, if r is a file that can
// be waited for. It then returns what it has read of a line without its end; what
// it has not read stays in r. begun is such a beginning, of an earlier Copy.
func (w *Writer) Copy(ctx context.Context, r io.Reader, begun []byte) (rest []byte, err error) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		if f, ok := r.(*os.File); ok {
			_ = f.SetReadDeadline(time.Unix(1, 0)) // what cannot be interrupted goes on to its end
		}
	})
	defer func() {
		if !stop() {
			<-interrupted
		}
	}()
	_, rest, err = w.copy(ctx, r, begun)
	return rest, err
}

func (w *Writer) copy(ctx context.Context, r io.Reader, begun []byte) (total int64, rest []byte, err error) {
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
	buf := slices.Clone(begun)
	if len(buf) == 0 {
		awaitReadable(ctx, r) // before a buffer is taken
	}
	for {
		if ctx.Err() != nil {
			store(c.flush())
			return total, slices.Clone(buf), failed
		}
		if cap(buf) < readSize+slack {
			buf = append(w.o.Buffers.get(), buf...)
		}
		buf = slices.Grow(buf, readSize) // one read empties a full pipe
		n, err := readSoon(ctx, r, buf[len(buf):len(buf)+readSize])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// It may be quiet for days; a buffer for each quiet gateway would be most of our memory.
			whole := buf
			buf = slices.Clone(buf)
			w.o.Buffers.put(whole)
			awaitReadable(ctx, r)
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
			return total, nil, errors.Join(err, failed)
		}
	}
}

// quiet is how long a reader has a buffer without anything to read.
const quiet = 100 * time.Millisecond

// readSoon reads, and fails with os.ErrDeadlineExceeded after quiet, and when ctx
// ends, if r can do that.
func readSoon(ctx context.Context, r io.Reader, buf []byte) (int, error) {
	if f, ok := r.(*os.File); ok {
		_ = f.SetReadDeadline(time.Now().Add(quiet)) // what has no deadline is waited for with a buffer
		if ctx.Err() != nil {
			return 0, os.ErrDeadlineExceeded // the deadline that came with that may just have been lifted
		}
	}
	return r.Read(buf)
}

// awaitReadable waits, without a buffer, until a read of r yields something or ctx
// ends. The error shows at the read.
func awaitReadable(ctx context.Context, r io.Reader) {
	f, ok := r.(*os.File)
	if !ok {
		return
	}
	_ = f.SetReadDeadline(time.Time{})
	if ctx.Err() != nil {
		return // as above
	}
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Read(ready)
	}
}
