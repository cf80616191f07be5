package logfile

import (
	"bytes"
	"context"
	"errors"
)

// Follow is Resume from the last n lines on.
func Follow(ctx context.Context, dir string, n int, fn func(batch []byte) error) error {
	m, err := lastLines(dir, n)
	if err != nil {
		return err
	}
	return Resume(ctx, dir, m, fn)
}

// lastLines is the place before the last n lines of the log in dir.
func lastLines(dir string, n int) (Mark, error) {
	for {
		files, err := settled(dir)
		if err != nil {
			return Mark{}, err
		}
		m, err := before(files, n)
		if !errors.Is(err, errMoved) {
			return m, err
		}
	}
}

// before looks for the end of the line before the last n, from the newest file
// to the oldest.
func before(files []entry, n int) (Mark, error) {
	for i := len(files) - 1; i >= 0; i-- {
		at, found, err := files[i].lineEnd(n + 1)
		if err != nil {
			return Mark{}, err
		}
		if found == n+1 {
			return Mark{bound(files, i), files[i].info, at}, nil
		}
		n -= found
	}
	return Mark{}, nil
}

// lineEnd looks for the nth end of a line from the end of the file, n > 0. It
// returns where the next line begins, and how many ends it found.
func (e entry) lineEnd(n int) (at int64, found int, err error) {
	f, info, err := e.open()
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	buf := make([]byte, readSize)
	for at = info.Size(); at > 0; {
		block := buf[:min(at, readSize)]
		if _, err := f.ReadAt(block, at-int64(len(block))); err != nil {
			return 0, 0, errors.Join(errMoved, err) // it became shorter
		}
		for {
			i := bytes.LastIndexByte(block, '\n')
			if i < 0 {
				break
			}
			if found++; found == n {
				return at - int64(len(buf[:min(at, readSize)])) + int64(i) + 1, found, nil
			}
			block = block[:i]
		}
		at -= min(at, readSize)
	}
	return 0, found, nil
}
