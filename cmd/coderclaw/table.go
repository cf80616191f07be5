package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/coderclaw/coderclaw/supervisor/control"
)

// instanceTable renders the instances as `ps` shows them.
func instanceTable(now time.Time, list []control.Instance) string {
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "PROFILE\tSTATE\tPID\tPORT\tSINCE\tRESTARTS\tREASON")
	for _, i := range list {
		pid := "-"
		if i.PID != 0 {
			pid = fmt.Sprint(i.PID)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%d\t%s\n", i.Profile, i.State, pid, i.Port,
			shortAge(now, i.Since), i.Restarts, strings.ReplaceAll(i.Reason, "\n", " "))
	}
	_ = tw.Flush() // into memory
	return b.String()
}

// liveTable keeps one table of instances on a terminal up to date.
type liveTable struct {
	w     io.Writer
	width func() int // of the terminal; a longer line would wrap and be counted wrong

	mu    sync.Mutex
	lines int // of the table on the screen
}

func newLiveTable(w io.Writer, width func() int) *liveTable { return &liveTable{w: w, width: width} }

// show replaces the table. It is safe for concurrent use.
func (t *liveTable) show(s control.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := clip(instanceTable(time.Now(), s.Instances)+"\nCtrl-C stops them all.\n", t.width())
	var out bytes.Buffer
	if t.lines > 0 {
		fmt.Fprintf(&out, "\x1b[%dA\x1b[J", t.lines) // up, then clear to the end of the screen
	}
	out.WriteString(text)
	t.lines = strings.Count(text, "\n")
	_, _ = t.w.Write(out.Bytes()) // a terminal that went away must not stop the gateways
}

// clip cuts each line of text to width characters.
func clip(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		body := []rune(strings.TrimSuffix(line, "\n"))
		if len(body) > width {
			body = append(body[:max(width-1, 0)], '…')
		}
		b.WriteString(string(body) + "\n")
	}
	return b.String()
}
