package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/coderclaw/coderclaw/profiles"
)

// prefixer prints log lines of several gateways to one stream, each line with
// its profile in front. It is safe for concurrent use if the stream is.
type prefixer struct {
	w     io.Writer
	width int
}

func newPrefixer(w io.Writer, ps []profiles.Profile) *prefixer {
	p := &prefixer{w: w}
	for _, pr := range ps {
		p.width = max(p.width, len(pr.Name))
	}
	return p
}

// print writes the complete lines of batch, JSON log records in their short form.
func (p *prefixer) print(profile string, batch []byte) {
	var out bytes.Buffer
	for line := range bytes.Lines(batch) {
		fmt.Fprintf(&out, "%-*s | %s\n", p.width, profile, shortLine(bytes.TrimRight(line, "\r\n")))
	}
	_, _ = p.w.Write(out.Bytes()) // a console, which reports nothing
}

// shortLine renders a JSON log record as "15:04:05 INFO message key=value"; any other line stays as it is.
func shortLine(line []byte) string {
	r, err := parseRecord(line)
	if err != nil {
		return string(line)
	}
	return r.short(time.Local)
}

// record is one line of a JSON log.
type record struct {
	Time    time.Time
	Level   string
	Message string
	Attrs   []attr // in the order of the line
}

type attr struct {
	Key   string
	Value any
}

// parseRecord reads a line that slog's JSON handler wrote.
func parseRecord(line []byte) (record, error) {
	var r record
	dec := json.NewDecoder(bytes.NewReader(line))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return r, fmt.Errorf("not a JSON log record: %q", line)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return r, err
		}
		var v any
		if err := dec.Decode(&v); err != nil {
			return r, err
		}
		text, isText := v.(string)
		switch k := key.(string); {
		case k == "time" && isText:
			if r.Time, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return r, err
			}
		case k == "level" && isText:
			r.Level = text
		case k == "msg" && isText:
			r.Message = text
		default:
			r.Attrs = append(r.Attrs, attr{k, v})
		}
	}
	return r, nil
}

// attr returns the value of key as text, "" when the record has none.
func (r record) attr(key string) string {
	for _, a := range r.Attrs {
		if a.Key == key {
			return fmt.Sprint(a.Value)
		}
	}
	return ""
}

func (r record) short(zone *time.Location) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %-5s %s", r.Time.In(zone).Format(time.TimeOnly), r.Level, r.Message)
	for _, a := range r.Attrs {
		if text, ok := a.Value.(string); ok {
			fmt.Fprintf(&b, " %s=%s", a.Key, quoteIfNeeded(text))
			continue
		}
		value, _ := json.Marshal(a.Value)
		fmt.Fprintf(&b, " %s=%s", a.Key, value)
	}
	return b.String()
}

func quoteIfNeeded(s string) string {
	if strings.ContainsAny(s, " \"=") || s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}
