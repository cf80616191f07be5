package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/lmittmann/tint"

	"github.com/coderclaw/coderclaw/instance"
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
			shortAge(now, i.Since), i.Restarts, reason(now, i))
	}
	_ = tw.Flush() // into memory
	return b.String()
}

// reason is why an instance is in its state, in one line, and what comes next:
// "exited 3 (crash) before it was ready; next try in 14 s (3/8)".
func reason(now time.Time, i control.Instance) string {
	text := strings.ReplaceAll(i.Reason, "\n", " ")
	if i.State == instance.BackingOff && i.NextTry != nil {
		text += fmt.Sprintf("; next try in %d s", int(max(0, i.NextTry.Sub(now)).Round(time.Second).Seconds()))
		if i.Tries > 0 {
			text += fmt.Sprintf(" (%d/%d)", i.Tries, instance.MaxTries)
		}
	}
	return text
}

// liveTable keeps one table of instances on a terminal up to date.
type liveTable struct {
	mu     sync.Mutex
	last   control.Status
	note   string // the last thing that was logged
	screen screen
}

func newLiveTable(w io.Writer, size func() (width, height int)) *liveTable {
	return &liveTable{screen: screen{w: w, size: size}}
}

// show replaces the table. It is safe for concurrent use.
func (t *liveTable) show(s control.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = s
	t.last.Instances = slices.Clone(s.Instances) // the list is made anew in its place
	t.drawLocked()
}

func (t *liveTable) drawLocked() {
	t.screen.draw(instanceTable(time.Now(), t.last.Instances) + "\n" + t.note + "Ctrl-C stops them all.\n")
}

// Write shows what is logged below the table, the last line of it.
func (t *liveTable) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note = string(p)
	t.drawLocked()
	return len(p), nil
}

// handler logs what a person should know while the table is on the screen.
func (t *liveTable) handler() slog.Handler {
	return tint.NewTextHandler(t, &tint.Options{Level: slog.LevelWarn, TimeFormat: time.TimeOnly, NoColor: true})
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
