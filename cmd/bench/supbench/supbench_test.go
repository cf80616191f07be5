//go:build linux

package supbench

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTable(t *testing.T) {
	t.Parallel()
	tab := &table{title: "3 children"}
	start := row{what: "start", unit: "ms", bar: 2, times: true}
	for _, v := range [][2]float64{{31, 10}, {19, 12}, {25.04, 11}} {
		tab.add(start, v[0], v[1])
	}
	tab.add(row{what: "threads", bar: 10}, 12, 0)
	tab.add(row{what: "PSS", unit: "MB", bar: -1}, 1.234, 0)
	var out bytes.Buffer
	if err := tab.print(&out); err != nil {
		t.Fatal(err)
	}
	want := `
3 children
WHAT     OURS          FLOOR         RATIO  BAR     MET?
start    19 (25.0) ms  10 (11) ms    1.90   <= 2 x  yes
threads  12            -             -      <= 10   NO
PSS      1.23 MB       -             -      -       -
`
	if got := squeeze(out.String()); got != squeeze(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, squeeze(want))
	}
}

// squeeze makes the widths of columns not count.
func squeeze(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		out = append(out, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(out, "\n")
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var all []time.Duration
	for i := 200; i > 0; i-- {
		all = append(all, time.Duration(i)*time.Millisecond)
	}
	for p, want := range map[int]float64{50: 100, 99: 198, 100: 200} {
		if got := percentile(all, p); got != want {
			t.Errorf("p%d = %v, want %v", p, got, want)
		}
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	w := os.NewFile(uintptr(pipe[1]), "w")
	sent := []record{{at: 5, pid: 7, kind: childStarted}, {at: 1 << 40, pid: 1 << 22, kind: allReady, value: 3}}
	for _, r := range sent {
		if _, err := w.Write(r.bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := &records{fd: pipe[0]}
	defer unix.Close(pipe[0])
	for _, want := range sent {
		if got, err := r.next(t.Context()); err != nil || got != want {
			t.Errorf("got %+v and %v, want %+v", got, err, want)
		}
	}
	if _, err := r.next(t.Context()); err == nil {
		t.Error("no error at the end of the pipe")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.next(ended); err == nil {
		t.Error("no error after ctx has ended")
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	line := func(number string) string { return number + strings.Repeat(".", lineSize-1-len(number)) + "\n" }
	path := filepath.Join(t.TempDir(), "log")
	text := line("000000007") + "something else\n" + line("not a num") + line("000000012") + "000000013 torn"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []int
	if err := numbers(path, func(n int) { got = append(got, n) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != 7 || got[1] != 12 {
		t.Errorf("got %v, want 7 and 12", got)
	}
}
