// Package logs owns the method logs.tail, which shows the gateway's log file to
// clients. It does not write logs.
package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
	"github.com/coderclaw/coderclaw/internal/logfile"
)

// Defaults of logs.tail.
const (
	defaultLines = 500
	defaultBytes = 250_000
)

// Feature reads the logs of one directory.
type Feature struct{ dir string }

// New returns the feature.
func New(dir string) *Feature { return &Feature{dir} }

// Register adds the method logs.tail.
func (f *Feature) Register(m *rpc.Mux) {
	rpc.Handle(m, "logs.tail", rpc.ScopeRead, func(_ context.Context, _ *rpc.Session, p protocol.LogsTailParams) (protocol.LogsTailResult, error) {
		return f.tail(p)
	})
}

func (f *Feature) tail(p protocol.LogsTailParams) (protocol.LogsTailResult, error) {
	if p.Limit == 0 {
		p.Limit = defaultLines
	}
	if p.MaxBytes == 0 {
		p.MaxBytes = defaultBytes
	}
	res := protocol.LogsTailResult{Lines: []string{}}
	path, err := logfile.Newest(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return res, nil
	}
	if err != nil {
		return res, err
	}
	file, err := os.Open(path)
	if err != nil {
		return res, fmt.Errorf("log: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return res, fmt.Errorf("log: %w", err)
	}
	res.File, res.Size, res.Cursor = path, info.Size(), info.Size()
	start, whole := place(p, &res)
	text := make([]byte, res.Size-start)
	n, err := file.ReadAt(text, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return res, fmt.Errorf("log: %w", err)
	}
	text = text[:n]
	if !whole && start > 0 && !endsLine(file, start) {
		_, text, _ = bytes.Cut(text, []byte("\n")) // the rest of a line
	}
	end := bytes.LastIndexByte(text, '\n') + 1
	res.Cursor -= int64(len(text) - end) // a line that is still being written is read next time
	for line := range bytes.Lines(text[:end]) {
		res.Lines = append(res.Lines, string(bytes.TrimRight(line, "\r\n")))
	}
	if len(res.Lines) > p.Limit {
		res.Lines = res.Lines[len(res.Lines)-p.Limit:]
	}
	return res, nil
}

// place decides from where to read, and whether that is where a line begins for
// certain.
func place(p protocol.LogsTailParams, res *protocol.LogsTailResult) (start int64, whole bool) {
	tail := max(0, res.Size-int64(p.MaxBytes))
	switch {
	case p.Cursor == nil:
		res.Truncated = tail > 0
		return tail, false
	case *p.Cursor > res.Size:
		res.Reset = true
		res.Truncated = tail > 0
		return tail, false
	case *p.Cursor < tail:
		res.Reset, res.Truncated = true, true
		return tail, false
	}
	return *p.Cursor, true
}

// endsLine tells whether the byte before at ends a line.
func endsLine(r io.ReaderAt, at int64) bool {
	var one [1]byte
	_, err := r.ReadAt(one[:], at-1)
	return err == nil && one[0] == '\n'
}
