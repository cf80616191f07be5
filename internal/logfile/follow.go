package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// Resume hands fn everything that the log in dir holds behind m, and then what is
// appended, in batches of whole lines, across rotations and for as long as ctx
// lives. The directory need not exist yet. Lines come once and in order; only
// what the budget removes before it is read is missing. It ends with the error
// of ctx or of fn, which is called from this goroutine and must not keep the slice.
func Resume(ctx context.Context, dir string, m Mark, fn func(batch []byte) error) error {
	w := newWatch(dir)
	defer w.close()
	f := &follower{dir: dir, fn: fn, after: m.after, buf: make([]byte, readSize)}
	defer f.close()
	if err := f.start(m); err != nil {
		return err
	}
	for {
		w.attach()
		if err := f.catchUp(ctx); err != nil {
			return err
		}
		if err := w.wait(ctx); err != nil {
			return err
		}
	}
}

// follower reads one file of a log after the other.
type follower struct {
	dir string
	fn  func([]byte) error
	buf []byte

	file   *os.File // nil before the first
	info   fs.FileInfo
	offset int64 // in file, up to which it was handed on; always where a line begins
	after  key   // whatever is newer than file lies behind it
}

// start opens the file in which the mark lies, if it is still there.
func (f *follower) start(m Mark) error {
	if m.info == nil {
		return nil
	}
	for {
		files, err := settled(f.dir)
		if err != nil {
			return err
		}
		i := find(files, m.info)
		if i < 0 || files[i].info.Size() < m.offset {
			return nil
		}
		err = f.open(files, i, m.offset)
		if !errors.Is(err, errMoved) {
			return err
		}
	}
}

func find(files []entry, info fs.FileInfo) int {
	return slices.IndexFunc(files, func(e entry) bool { return os.SameFile(e.info, info) })
}

// open goes over to a file.
func (f *follower) open(files []entry, i int, offset int64) error {
	file, info, err := files[i].open()
	if err != nil {
		return err
	}
	f.close()
	f.file, f.info, f.offset, f.after = file, info, offset, bound(files, i)
	return nil
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close() // it was only read
	}
}

// catchUp hands on everything there is.
func (f *follower) catchUp(ctx context.Context) error {
	for {
		if err := f.drain(ctx, false); err != nil {
			return err
		}
		files, err := settled(f.dir)
		if err != nil {
			return err
		}
		next := f.next(files)
		if next == len(files) {
			return nil
		}
		// Nothing goes into a file any more once there is a newer one.
		if err := f.drain(ctx, true); err != nil {
			return err
		}
		if err := f.open(files, next, 0); err != nil && !errors.Is(err, errMoved) {
			return err
		}
	}
}

// next is the index of the oldest file that is newer than the one being read.
func (f *follower) next(files []entry) int {
	if f.file != nil {
		if i := find(files, f.info); i >= 0 {
			f.after = bound(files, i)
			return i + 1
		}
	}
	for i, e := range files {
		if e.compare(f.after) > 0 {
			return i
		}
	}
	return len(files)
}

// drain hands on what the file holds beyond the offset; with final also a last
// line that has no end.
func (f *follower) drain(ctx context.Context, final bool) error {
	if f.file == nil {
		return nil
	}
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if info.Size() < f.offset {
		f.offset = 0 // it was emptied
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.file.ReadAt(f.buf, f.offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("log: %w", err)
		}
		batch := f.buf[:bytes.LastIndexByte(f.buf[:n], '\n')+1]
		end := int64(len(batch))
		switch {
		case end > 0:
		case n == len(f.buf) && n < maxLine:
			f.buf = make([]byte, 2*n)
			continue
		case n == len(f.buf): // a line without measure comes in pieces
			batch, end = f.buf, int64(n)
		case final && n > 0:
			batch, end = append(f.buf[:n], '\n'), int64(n)
		default:
			return nil
		}
		if err := f.fn(batch); err != nil {
			return err
		}
		f.offset += end
	}
}
