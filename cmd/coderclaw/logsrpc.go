package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/logfile"
)

// logReader prints the log of one gateway. It asks the gateway for it, and where
// that is on this machine and does not answer it reads the files. The cursor is
// the byte position up to which it has printed, in the file that the gateway
// named last.
type logReader struct {
	app    *app
	print  *logPrinter
	target target
	o      logsOptions
	follow bool

	file   string
	cursor *int64
	mark   logfile.Mark // the same place in the files, once polled
	polled bool
}

// quickTimeout bounds the wait for a gateway whose state dir nobody holds: it is
// down, unless what answers is the far end of a tunnel.
const quickTimeout = time.Second

// run prints, and follows if it is to. asked tells that a person chose the timeout.
func (l *logReader) run(ctx context.Context, asked bool) error {
	if !strings.HasPrefix(l.target.source, "local ") {
		if l.follow {
			return l.followRemote(ctx)
		}
		if err := l.once(ctx); err != nil {
			return l.failed(err)
		}
		return nil
	}
	if _, up := statelock.Find(l.target.profile); !up && !asked {
		l.target.timeout = min(l.target.timeout, quickTimeout)
	}
	err := l.once(ctx)
	if l.answered(err) {
		return l.failed(err)
	}
	if ctx.Err() != nil || err == nil {
		return nil
	}
	return l.fromFiles(ctx, l.target.profile, err, func() error { return l.failed(err) })
}

// answered tells whether err came from a gateway that works, or from our own output.
func (l *logReader) answered(err error) bool {
	_, refused := errors.AsType[*client.RefusedError](err)
	_, declined := errors.AsType[*protocol.Error](err)
	_, output := errors.AsType[*outputError](err)
	return refused || declined || output
}

// once makes one connection. Following, it returns when that has ended.
func (l *logReader) once(ctx context.Context) error {
	conn, err := l.app.dial(ctx, l.target, "cli", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	if l.follow {
		return l.pollOn(ctx, conn)
	}
	return l.poll(ctx, conn)
}

// pollOn polls until the connection or ctx ends.
func (l *logReader) pollOn(ctx context.Context, conn *client.Client) error {
	tick := time.NewTicker(l.o.interval)
	defer tick.Stop()
	for {
		if err := l.poll(ctx, conn); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-conn.Done():
			return errors.New("the gateway closed the connection")
		case <-tick.C:
		}
	}
}

// followRemote polls until ctx ends; a connection that breaks is made again.
func (l *logReader) followRemote(ctx context.Context) error {
	first := true
	err := client.Follow(ctx, func(ctx context.Context) (*client.Client, error) {
		conn, err := l.app.dial(ctx, l.target, "cli", nil)
		_, refused := errors.AsType[*client.RefusedError](err)
		if err != nil && (first || refused) {
			return nil, client.Permanent(l.failed(err)) // never reached, or not wanted any more: say so instead of waiting for ever
		}
		first = false
		return conn, err
	}, func(ctx context.Context, conn *client.Client) error {
		err := l.pollOn(ctx, conn)
		if _, output := errors.AsType[*outputError](err); output {
			return client.Permanent(err)
		}
		return err
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// What logs.tail answers at most (spec/protocol: logs.tail).
const (
	mostLines = 5000
	mostBytes = 1_000_000
)

func (l *logReader) poll(ctx context.Context, conn *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, l.target.timeout)
	defer cancel()
	params := protocol.LogsTailParams{Cursor: l.cursor, Limit: l.o.limit, MaxBytes: l.o.maxBytes}
	if l.cursor != nil {
		params.Limit, params.MaxBytes = mostLines, mostBytes // the options are for the beginning; what comes after that is wanted whole
	}
	var res protocol.LogsTailResult
	if err := conn.Call(ctx, "logs.tail", params, &res); err != nil {
		return err
	}
	if res.File != l.file {
		l.file = res.File
		if err := l.print.meta(res.File, res.Cursor, res.Size); err != nil {
			return err
		}
		if params.Cursor != nil && *params.Cursor > 0 { // it was a place in another file
			l.cursor = new(int64)
			return l.poll(ctx, conn)
		}
	}
	if res.Truncated {
		l.print.notice("Log tail truncated (increase --max-bytes).")
	}
	if res.Reset && l.cursor != nil {
		l.print.notice("Log cursor reset (file rotated).")
	}
	l.cursor = &res.Cursor
	if err := l.print.lines("", res.Lines); err != nil {
		return err
	}
	l.polled = true
	if l.follow && filepath.Dir(res.File) == l.target.profile.LogDir() {
		// When the file was rotated just now the mark before this poll stays: rather a line twice than none.
		if mark, err := logfile.MarkAt(res.File, res.Cursor); err == nil {
			l.mark = mark
		}
	}
	return nil
}

// failed explains a gateway that cannot be reached, to people and to scripts.
func (l *logReader) failed(err error) error {
	if err == nil {
		return nil
	}
	if _, output := errors.AsType[*outputError](err); output {
		return err
	}
	const message = "Gateway not reachable. Is it running and accessible?"
	fix := "Hint: run `" + hint(l.target.profile, "doctor") + "`."
	if l.print.json {
		_ = writeJSONLine(l.app.stderr, map[string]any{"type": "error", "message": message, "error": err.Error(), "details": l.target.block(), "hint": fix})
		return quiet(exitcode.Failed)
	}
	fmt.Fprintf(l.app.stderr, "%s\n%v\n%s\n%s\n", message, err, l.target.block(), fix)
	return quiet(exitcode.Failed)
}
