package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
)

// Mark is a place between two lines of a log, from which Resume goes on. It stays
// right when the file it lies in is put aside under another name. The zero Mark
// is the beginning of all there is.
type Mark struct {
	after  key // files up to it are older than the marked one, or are that one
	info   fs.FileInfo
	offset int64
}

// MarkAt is the place offset bytes into a log file, which must be between two lines.
func MarkAt(path string, offset int64) (Mark, error) {
	files, err := settled(filepath.Dir(path))
	if err != nil {
		return Mark{}, err
	}
	i := slices.IndexFunc(files, func(e entry) bool { return e.path == filepath.Clean(path) })
	if i < 0 {
		return Mark{}, fmt.Errorf("%s is no file of a log: %w", path, fs.ErrNotExist)
	}
	if size := files[i].info.Size(); size < offset {
		return Mark{}, fmt.Errorf("%s has %d bytes, and not %d", path, size, offset)
	}
	return Mark{bound(files, i), files[i].info, offset}, nil
}

// bound is the key that everything newer than files[i] lies behind, also when
// that file, if it is written to now, is put aside.
func bound(files []entry, i int) key {
	k := files[i].key
	if k.part == current {
		k.part = highest(files, k.day)
	}
	return k
}

// Tail returns the last whole lines of the log in dir, across its files, up to
// limit bytes: none when there is no log. Of a last line that alone is longer it
// returns the end.
func Tail(dir string, limit int64) ([]byte, error) {
	text, _, err := Last(dir, limit)
	return text, err
}

// Last is Tail, and the place from which Resume goes on without a gap.
func Last(dir string, limit int64) ([]byte, Mark, error) {
	for {
		files, err := settled(dir)
		if err != nil || len(files) == 0 {
			return nil, Mark{}, err
		}
		text, m, err := last(files, limit)
		if !errors.Is(err, errMoved) {
			return text, m, err
		}
	}
}

func last(files []entry, limit int64) ([]byte, Mark, error) {
	var pieces [][]byte
	var m Mark
	need := limit + 1 // the byte before shows whether the text begins with a line
	for i := len(files) - 1; i >= 0 && need > 0; i-- {
		newest := i == len(files)-1
		text, start, err := files[i].end(need)
		if err != nil {
			return nil, Mark{}, err
		}
		if newest {
			text = text[:bytes.LastIndexByte(text, '\n')+1] // a line that is still being written is left for later
			m = Mark{bound(files, i), files[i].info, start + int64(len(text))}
		} else if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		pieces = append(pieces, text)
		need -= int64(len(text))
	}
	slices.Reverse(pieces)
	return cutLines(bytes.Join(pieces, nil), limit), m, nil
}

// cutLines cuts text, whole lines but for the first, to the last lines that fit.
func cutLines(text []byte, limit int64) []byte {
	if int64(len(text)) <= limit {
		return text
	}
	text = text[int64(len(text))-limit-1:]
	if i := bytes.IndexByte(text, '\n') + 1; i > 0 && i < len(text) {
		return text[i:]
	}
	return text[1:]
}

// end reads the last n bytes of the file, or all of a smaller one, and says where
// they begin.
func (e entry) end(n int64) ([]byte, int64, error) {
	f, info, err := e.open()
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	start := max(0, info.Size()-n)
	text := make([]byte, info.Size()-start)
	got, err := f.ReadAt(text, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("log: %w", err)
	}
	return text[:got], start, nil
}
