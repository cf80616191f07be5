// Package journallog owns how records of slog become entries of systemd's journal:
// with a priority, and with each attribute as a field that journalctl can select
// by. It does not know what is logged, nor whether there is a journal.
package journallog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

const (
	// Prefix is what the name of each field begins with that comes from an attribute.
	Prefix = "CODERCLAW_"

	queued   = 1024        // entries that wait for a journal that does not take them
	farewell = time.Second // how long it may take for the last of them
)

// Send hands one entry to the journal; journal.Send does.
type Send func(message string, priority journal.Priority, fields map[string]string) error

type entry struct {
	message  string
	priority journal.Priority
	fields   map[string]string
}

// Log takes entries without ever waiting for the journal, which may hang while
// gateways are to be kept alive. Beyond a bound entries are dropped, and it is said
// how many were. It is safe for concurrent use; Run is to be called once.
type Log struct {
	send     Send
	fallback io.Writer
	identity string

	queue     chan entry
	dropped   atomic.Int64  // since that was last said
	stop, end chan struct{} // closed by Close, and by Run when nothing more is sent
}

// New returns a log of the program called identity. What send does not take goes
// to fallback as a line, with its priority as the journal expects it of a stderr that
// leads to it.
func New(identity string, send Send, fallback io.Writer) *Log {
	return &Log{send: send, fallback: fallback, identity: identity, queue: make(chan entry, queued), stop: make(chan struct{}), end: make(chan struct{})}
}

// Run sends what the handlers take, until Close.
func (l *Log) Run() {
	defer close(l.end)
	for {
		select {
		case e := <-l.queue:
			l.pass(e)
			continue
		default:
		}
		select {
		case e := <-l.queue:
			l.pass(e)
		case <-l.stop:
			for { // what came before
				select {
				case e := <-l.queue:
					l.pass(e)
				default:
					return
				}
			}
		}
	}
}

// Close ends Run when it has sent what there is, unless the journal does not take it.
func (l *Log) Close() {
	close(l.stop)
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-l.end:
	case <-timer.C: // Run is stuck and ends with the process
	}
}

func (l *Log) pass(e entry) {
	l.deliver(e)
	if n := l.dropped.Swap(0); n > 0 {
		l.deliver(entry{fmt.Sprintf("%d entries were dropped, the journal did not take them", n), journal.PriWarning, map[string]string{}})
	}
}

func (l *Log) deliver(e entry) {
	e.fields["SYSLOG_IDENTIFIER"] = l.identity
	if err := l.send(e.message, e.priority, e.fields); err != nil {
		_, _ = fmt.Fprintf(l.fallback, "<%d>%s\n", e.priority, e.message) // there is no third place
	}
}

// Handler returns a handler that logs records of that level and above. An
// attribute becomes part of the text and a field: profile=dev is CODERCLAW_PROFILE.
func (l *Log) Handler(level slog.Leveler) slog.Handler { return &handler{log: l, level: level} }

// handler is one view of a log. It is immutable.
type handler struct {
	log   *Log
	level slog.Leveler
	attrs []flat // of WithAttrs
	group string // that further attributes belong to, "" or ending in a dot
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = h.attrs[:len(h.attrs):len(h.attrs)]
	for _, a := range attrs {
		next.attrs = flatten(next.attrs, h.group, a)
	}
	return &next
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.group += name + "."
	return &next
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	attrs := h.attrs[:len(h.attrs):len(h.attrs)]
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.group, a)
		return true
	})
	e := entry{r.Message, priority(r.Level), make(map[string]string, len(attrs)+1)}
	for _, a := range attrs {
		e.message += " " + a.key + "=" + quoted(a.value)
		e.fields[fieldName(a.key)] = a.value
	}
	select {
	case h.log.queue <- e:
	default:
		h.log.dropped.Add(1)
	}
	return nil
}
