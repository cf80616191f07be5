package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// Problem is one thing that is wrong, or as a warning merely without effect, in a
// configuration file.
type Problem struct {
	File      string // the file that holds it; an included one where it is that
	Line, Col int    // 1-based; 0 when it concerns the file as a whole
	Path      string // dotted path of the key, "" for the file as a whole
	Message   string
	Fix       string // what to do, "" when the message says it
}

// String puts the problem on one line: file:line:col: path: message; fix.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Col)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	switch {
	case p.Fix == "":
	case strings.HasSuffix(p.Message, "."):
		b.WriteString(" " + p.Fix)
	default:
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// sortProblems orders by place, the root file first.
func sortProblems(root string, list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int {
		if a.File != b.File {
			if a.File == root {
				return -1
			}
			if b.File == root {
				return 1
			}
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

// InvalidError is the error of a snapshot that has problems.
type InvalidError struct {
	Path     string
	Problems []Problem
}

func (e *InvalidError) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	lines = append(lines, "invalid config at "+e.Path)
	for _, p := range e.Problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

// Valid tells whether a gateway may start with the file. A missing file is valid.
func (s *Snapshot) Valid() bool { return len(s.Problems) == 0 }

// Err is nil for a valid snapshot, else an *InvalidError marked exitcode.Config
// whose text lists the problems, one a line.
func (s *Snapshot) Err() error {
	if s.Valid() {
		return nil
	}
	return exitcode.With(exitcode.Config, &InvalidError{Path: s.Path, Problems: s.Problems})
}
