package table

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	t.Parallel()
	tab := &Table{Title: "3 children"}
	start := Row{What: "start", Unit: "ms", Bar: 2, Times: true}
	for _, v := range [][2]float64{{31, 10}, {19, 12}, {25.04, 11}} {
		tab.Add(start, v[0], v[1])
	}
	tab.Add(Row{What: "threads", Bar: 10}, 12, 0)
	tab.Add(Row{What: "PSS", Unit: "MB", Bar: -1}, 1.234, 0)
	calls := Row{What: "calls", Unit: "/s", Bar: 500, More: true}
	for _, v := range [][2]float64{{400, 1000}, {501, 900}, {300, 800}} {
		tab.Add(calls, v[0], v[1])
	}
	var out bytes.Buffer
	if err := tab.Print(&out); err != nil {
		t.Fatal(err)
	}
	want := `
3 children
WHAT     OURS          FLOOR         RATIO  BAR     MET?
start    19 (25.0) ms  10 (11) ms    1.90   <= 2 x  yes
threads  12            -             -      <= 10   NO
PSS      1.23 MB       -             -      -       -
calls    501 (400) /s  1000 (900) /s 0.50   >= 500 /s yes
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
		if got := Percentile(all, p); got != want {
			t.Errorf("p%d = %v, want %v", p, got, want)
		}
	}
}
