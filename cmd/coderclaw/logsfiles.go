package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/logfile"
	"github.com/coderclaw/coderclaw/profiles"
)

// fromFiles prints from the log files of p because the gateway cannot be asked,
// and says so. From then on it follows them, also when the gateway comes back:
// they miss nothing. failed ends the command when there is nothing to print.
func (l *logReader) fromFiles(ctx context.Context, p profiles.Profile, cause error, failed func() error) error {
	path, err := logfile.Newest(p.LogDir())
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && l.follow) {
		return failed()
	}
	// The cause may be of many lines, and only the first says what; the rest repeats the target.
	reason, _, _ := strings.Cut(cause.Error(), "\n")
	l.print.aside(fmt.Sprintf("Gateway not reachable (%s); reading its log files in %s.", reason, p.LogDir()))
	if !l.polled {
		var size int64
		if info, err := os.Stat(path); err == nil {
			size = info.Size()
		}
		if path != "" {
			if err := l.print.meta(path, size, size); err != nil {
				return err
			}
		}
		text, mark, err := logfile.Last(p.LogDir(), int64(l.o.maxBytes))
		if err != nil {
			return err
		}
		l.mark = mark
		if err := l.print.lines("", lastLines(text, l.o.limit)); err != nil {
			return err
		}
	}
	if !l.follow {
		return nil
	}
	err = logfile.Resume(ctx, p.LogDir(), l.mark, func(batch []byte) error { return l.print.batch("", batch) })
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// lastLines are the last n lines of text, without their ends.
func lastLines(text []byte, n int) []string {
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(text) == 0 {
		return nil
	}
	return lines[max(0, len(lines)-n):]
}

// timedLine is one line of several logs that are printed as one.
type timedLine struct {
	at            time.Time
	profile, line string
}

// merge puts the lines of several logs in the order of their times. A line
// without a time stays behind the one before it.
func merge(logs map[string][]string) []timedLine {
	var out []timedLine
	for _, profile := range slices.Sorted(maps.Keys(logs)) {
		var at time.Time
		for _, line := range logs[profile] {
			if r, err := parseRecord([]byte(line)); err == nil && r.Time.After(at) {
				at = r.Time
			}
			out = append(out, timedLine{at, profile, line})
		}
	}
	slices.SortStableFunc(out, func(a, b timedLine) int { return a.at.Compare(b.at) })
	return out
}

// logsOfAll prints the last lines of all profiles' files, and follows them if it is to.
func (a *app) logsOfAll(ctx context.Context, o logsOptions, printer *logPrinter, follow bool) error {
	r, err := a.registry()
	if err != nil {
		return err
	}
	ps := r.List()
	logs, marks := map[string][]string{}, map[string]logfile.Mark{}
	for _, p := range ps {
		printer.width = max(printer.width, len(p.Name))
		text, mark, err := logfile.Last(p.LogDir(), int64(o.maxBytes))
		if err != nil {
			return fmt.Errorf("profile %s: %w", p.Name, err)
		}
		logs[p.Name], marks[p.Name] = lastLines(text, o.limit), mark
	}
	lines := merge(logs)
	if len(lines) == 0 && !follow {
		printer.aside("No profile has a log yet.")
	}
	for _, l := range lines[max(0, len(lines)-o.limit):] {
		if err := printer.lines(l.profile, []string{l.line}); err != nil {
			return err
		}
	}
	if !follow {
		return nil
	}
	all, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, p := range ps {
		wg.Go(func() {
			err := logfile.Resume(all, p.LogDir(), marks[p.Name], func(batch []byte) error { return printer.batch(p.Name, batch) })
			cancel(err) // the first to fail ends them all; what comes later does not count
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(all)
}
