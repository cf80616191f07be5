//go:build linux

package supbench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// What the child prints at SIGUSR2, 200 MiB in all: numbered lines, see child.c.
const (
	lineSize     = 128
	printedLines = 200 << 20 / lineSize
)

// logged has a supervised child print its lines. It returns how long it took from
// the child's begin to print until the supervisor had stored them, and how many are
// missing from the log.
func logged(ctx context.Context, program string, s *set) (took time.Duration, lost int, err error) {
	o, _, _, err := startOurs(ctx, program, s, spec{Lines: true})
	if o != nil {
		defer func() { err = o.close(err) }()
	}
	if err != nil {
		return 0, 0, err
	}
	if err := syscall.Kill(o.slots[0], syscall.SIGUSR2); err != nil {
		return 0, 0, err
	}
	begin, err := s.stamps.expect(ctx, childPrinting)
	if err != nil {
		return 0, 0, err
	}
	var end record
	for end.kind != allStored {
		if end, err = o.reports.next(ctx); err != nil {
			return 0, 0, fmt.Errorf("the last line: %w", err)
		}
	}
	if _, err := o.stop(); err != nil {
		return 0, 0, err
	}
	lost, err = s.missing()
	return end.at - begin.at, lost, err
}

// missing counts the lines that no log of the set holds, then removes the logs.
func (s *set) missing() (int, error) {
	seen := make([]bool, printedLines)
	left := printedLines
	for _, p := range s.profiles {
		files, err := filepath.Glob(filepath.Join(p.LogDir(), "*"))
		if err != nil {
			return 0, err
		}
		for _, path := range files {
			if err := numbers(path, func(n int) {
				if n < len(seen) && !seen[n] {
					seen[n] = true
					left--
				}
			}); err != nil {
				return 0, err
			}
		}
		if err := os.RemoveAll(p.LogDir()); err != nil {
			return 0, err
		}
	}
	return left, nil
}

// numbers calls fn with the number of every numbered line of a file.
func numbers(path string, fn func(int)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) == lineSize {
			if n, err := strconv.Atoi(string(line[:9])); err == nil {
				fn(n)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}
