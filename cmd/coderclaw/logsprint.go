package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"sync"
)

// logPrinter writes log lines for people or, as one JSON object per line, for
// scripts. It is safe for concurrent use.
type logPrinter struct {
	stdout, stderr io.Writer
	json           bool
	width          int // of the profile in front of each line; 0: none

	mu sync.Mutex // held while a batch is written
}

// outputError says that stdout takes no more.
type outputError struct{ err error }

func (e *outputError) Error() string { return "output: " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

// write runs fill on a buffer of stdout.
func (p *logPrinter) write(fill func(w io.Writer)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := bufio.NewWriter(p.stdout)
	fill(w)
	if err := w.Flush(); err != nil {
		return &outputError{err}
	}
	return nil
}

// meta says which file the lines are from.
func (p *logPrinter) meta(file string, cursor, size int64) error {
	return p.write(func(w io.Writer) {
		if p.json {
			p.emit(w, map[string]any{"type": "meta", "file": file, "cursor": cursor, "size": size})
			return
		}
		fmt.Fprintf(w, "Log file: %s\n", file)
	})
}

// lines prints lines without their ends.
func (p *logPrinter) lines(profile string, lines []string) error {
	return p.write(func(w io.Writer) {
		for _, line := range lines {
			p.line(w, profile, line)
		}
	})
}

// batch prints whole lines with their ends.
func (p *logPrinter) batch(profile string, batch []byte) error {
	return p.write(func(w io.Writer) {
		for line := range strings.Lines(string(batch)) {
			p.line(w, profile, strings.TrimRight(line, "\r\n"))
		}
	})
}

func (p *logPrinter) line(w io.Writer, profile, line string) {
	if !p.json {
		if p.width > 0 {
			fmt.Fprintf(w, "%-*s | ", p.width, profile)
		}
		fmt.Fprintln(w, shortLine([]byte(line)))
		return
	}
	out := map[string]any{"type": "raw", "raw": line}
	if r, err := parseRecord([]byte(line)); err == nil {
		out = map[string]any{"type": "log", "time": r.Time, "level": r.Level, "subsystem": r.attr("subsystem"),
			"module": r.attr("module"), "message": r.Message, "raw": line}
	}
	if p.width > 0 {
		out["profile"] = profile
	}
	p.emit(w, out)
}

func (p *logPrinter) emit(w io.Writer, v any) { _ = writeJSONLine(w, v) } // the error comes back from Flush

// notice is about the lines that follow: on stderr for people, in the stream for
// scripts.
func (p *logPrinter) notice(text string) {
	if !p.json {
		fmt.Fprintln(p.stderr, text)
		return
	}
	_ = p.write(func(w io.Writer) { p.emit(w, map[string]any{"type": "notice", "message": text}) }) // the next line fails as well
}

// aside says on stderr where the lines come from.
func (p *logPrinter) aside(text string) {
	if p.json {
		p.emit(p.stderr, map[string]any{"type": "notice", "message": text})
		return
	}
	fmt.Fprintln(p.stderr, text)
}
