package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

func (a *app) logsCommand() *cli.Command {
	return &cli.Command{
		Name:  "logs",
		Usage: "the gateway's log, over its RPC",
		Flags: append(clientFlags(false),
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on printing new lines, across restarts of the gateway"},
			&cli.StringFlag{Name: "limit", Usage: "print the last `N` lines", Value: "200"},
			&cli.StringFlag{Name: "max-bytes", Usage: "read at most `N` bytes of the log at once", Value: "250000"},
			&cli.StringFlag{Name: "interval", Usage: "ask for new lines every `MS` milliseconds", Value: "1000"},
		),
		Action: func(ctx context.Context, c *cli.Command) error {
			t, err := a.target(c)
			if err != nil {
				return err
			}
			l := logReader{app: a, target: t, json: c.Bool("json")}
			for _, n := range []struct {
				flag string
				max  int
				into *int
			}{{"limit", 5000, &l.limit}, {"max-bytes", 1_000_000, &l.maxBytes}, {"interval", 3_600_000, &l.interval}} {
				v, err := strconv.Atoi(c.String(n.flag))
				if err != nil || v < 1 || v > n.max {
					return usageError("--%s must be an integer from 1 to %d, got %q", n.flag, n.max, c.String(n.flag))
				}
				*n.into = v
			}
			if c.Bool("follow") {
				return l.follow(ctx)
			}
			return l.once(ctx)
		},
	}
}

// logReader prints the gateway's log. The cursor is the byte position up to
// which it has printed, in the file that the gateway named last.
type logReader struct {
	app      *app
	target   target
	json     bool
	limit    int
	maxBytes int
	interval int // ms

	file   string
	cursor *int64
}

func (l *logReader) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.target.timeout)
	defer cancel()
	conn, err := l.app.dial(ctx, l.target, "cli", nil)
	if err != nil {
		return l.failed(err)
	}
	defer conn.Close()
	return l.poll(ctx, conn)
}

// follow polls until ctx ends; a connection that breaks is made again.
func (l *logReader) follow(ctx context.Context) error {
	first := true
	err := client.Follow(ctx, func(ctx context.Context) (*client.Client, error) {
		conn, err := l.app.dial(ctx, l.target, "cli", nil)
		if err != nil && first {
			return nil, client.Permanent(l.failed(err)) // never reached: say so instead of waiting for ever
		}
		first = false
		return conn, err
	}, func(ctx context.Context, conn *client.Client) error {
		tick := time.NewTicker(time.Duration(l.interval) * time.Millisecond)
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
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (l *logReader) poll(ctx context.Context, conn *client.Client) error {
	params := protocol.LogsTailParams{Cursor: l.cursor, Limit: l.limit, MaxBytes: l.maxBytes}
	var res protocol.LogsTailResult
	if err := conn.Call(ctx, "logs.tail", params, &res); err != nil {
		return err
	}
	w := bufio.NewWriter(l.app.stdout)
	if res.File != l.file {
		l.file = res.File
		if l.json {
			l.emit(w, map[string]any{"type": "meta", "file": res.File, "cursor": res.Cursor, "size": res.Size})
		} else {
			fmt.Fprintf(w, "Log file: %s\n", res.File)
		}
	}
	if res.Truncated {
		l.notice(w, "Log tail truncated (increase --max-bytes).")
	}
	if res.Reset && l.cursor != nil {
		l.notice(w, "Log cursor reset (file rotated).")
	}
	l.cursor = &res.Cursor
	for _, line := range res.Lines {
		l.line(w, line)
	}
	return w.Flush()
}

func (l *logReader) emit(w io.Writer, v any) { _ = writeJSONLine(w, v) } // the error comes back from Flush

func (l *logReader) notice(w io.Writer, text string) {
	if l.json {
		l.emit(w, map[string]any{"type": "notice", "message": text})
		return
	}
	fmt.Fprintln(l.app.stderr, text)
}

func (l *logReader) line(w io.Writer, line string) {
	if !l.json {
		fmt.Fprintln(w, shortLine([]byte(line)))
		return
	}
	r, err := parseRecord([]byte(line))
	if err != nil {
		l.emit(w, map[string]any{"type": "raw", "raw": line})
		return
	}
	l.emit(w, map[string]any{"type": "log", "time": r.Time, "level": r.Level, "subsystem": r.attr("subsystem"),
		"module": r.attr("module"), "message": r.Message, "raw": line})
}

// failed explains a gateway that cannot be reached, to people and to scripts.
func (l *logReader) failed(err error) error {
	const message = "Gateway not reachable. Is it running and accessible?"
	fix := "Hint: run `" + hint(l.target.profile, "doctor") + "`."
	if l.json {
		_ = writeJSONLine(l.app.stderr, map[string]any{"type": "error", "message": message, "error": err.Error(), "details": l.target.block(), "hint": fix})
		return quiet(exitcode.Failed)
	}
	fmt.Fprintf(l.app.stderr, "%s\n%v\n%s\n%s\n", message, err, l.target.block(), fix)
	return quiet(exitcode.Failed)
}
