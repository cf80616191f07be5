package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// file writes n numbered lines of ten bytes as today's log.
func file(t *testing.T, n int) *Feature {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %04d\n", i)
	}
	name := filepath.Join(dir, "coderclaw-"+time.Now().Format(time.DateOnly)+".log")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return New(dir)
}

func cursor(n int64) *int64 { return &n }

func TestTail(t *testing.T) {
	t.Parallel()
	f := file(t, 100)
	for name, tc := range map[string]struct {
		p                protocol.LogsTailParams
		first, last      string
		count            int
		truncated, reset bool
	}{
		"everything":       {p: protocol.LogsTailParams{}, first: "line 0000", last: "line 0099", count: 100},
		"the last lines":   {p: protocol.LogsTailParams{Limit: 3}, first: "line 0097", last: "line 0099", count: 3},
		"the last bytes":   {p: protocol.LogsTailParams{MaxBytes: 25}, first: "line 0098", last: "line 0099", count: 2, truncated: true},
		"whole lines":      {p: protocol.LogsTailParams{MaxBytes: 20}, first: "line 0098", last: "line 0099", count: 2, truncated: true},
		"from a cursor":    {p: protocol.LogsTailParams{Cursor: cursor(970)}, first: "line 0097", last: "line 0099", count: 3},
		"from the end":     {p: protocol.LogsTailParams{Cursor: cursor(1000)}},
		"after a rotation": {p: protocol.LogsTailParams{Cursor: cursor(5000)}, first: "line 0000", last: "line 0099", count: 100, reset: true},
		"too far behind":   {p: protocol.LogsTailParams{Cursor: cursor(10), MaxBytes: 100}, first: "line 0090", last: "line 0099", count: 10, truncated: true, reset: true},
	} {
		res, err := f.tail(tc.p)
		if err != nil || len(res.Lines) != tc.count || res.Truncated != tc.truncated || res.Reset != tc.reset || res.Size != 1000 || res.Cursor != 1000 {
			t.Errorf("%s: %d lines, truncated %v, reset %v, size %d, cursor %d, %v", name, len(res.Lines), res.Truncated, res.Reset, res.Size, res.Cursor, err)
			continue
		}
		if tc.count > 0 && (res.Lines[0] != tc.first || res.Lines[tc.count-1] != tc.last) {
			t.Errorf("%s: from %q to %q", name, res.Lines[0], res.Lines[tc.count-1])
		}
	}
}

func TestTailOfNothing(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		res, err := New(dir).tail(protocol.LogsTailParams{})
		if err != nil || res.File != "" || res.Lines == nil || len(res.Lines) != 0 {
			t.Errorf("%+v, %v", res, err)
		}
	}
}

// TestUnfinishedLine: a line that is still being written is shown once, whole.
func TestUnfinishedLine(t *testing.T) {
	t.Parallel()
	f := file(t, 1)
	path := filepath.Join(f.dir, "coderclaw-"+time.Now().Format(time.DateOnly)+".log")
	add := func(text string) {
		t.Helper()
		w, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	add("half")
	res, err := f.tail(protocol.LogsTailParams{})
	if err != nil || len(res.Lines) != 1 || res.Cursor != 10 {
		t.Fatalf("%+v, %v", res, err)
	}
	add(" done\n")
	res, err = f.tail(protocol.LogsTailParams{Cursor: &res.Cursor})
	if err != nil || len(res.Lines) != 1 || res.Lines[0] != "half done" {
		t.Errorf("%+v, %v", res, err)
	}
}
