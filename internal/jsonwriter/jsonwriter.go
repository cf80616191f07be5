// Package jsonwriter writes JSON byte for byte as encoding/json does, without its
// reflection, for the few types that are so many, or in such a hurry, that it shows.
// What it is told to write it knows nothing of, and it does not look after the order
// of the calls.
package jsonwriter

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Writer collects a text. It is not safe for concurrent use.
type Writer struct {
	text   []byte
	indent string // of each level; "" for all in one line
	html   bool   // <, > and & are escaped
	depth  int
	filled bool // the innermost object or array holds something
	err    error
}

// Compact returns a writer of what json.Marshal makes, behind what text holds.
func Compact(text []byte) *Writer { return &Writer{text: text, html: true} }

// Indented returns a writer of what a json.Encoder makes that indents by two spaces and
// escapes no HTML, without the newline at the end, behind what text holds.
func Indented(text []byte) *Writer { return &Writer{text: text, indent: "  "} }

// Bytes is the text so far, or what could not be written; encoding/json cannot write that
// either.
func (w *Writer) Bytes() ([]byte, error) { return w.text, w.err }

// Open begins an object with '{' or an array with '['.
func (w *Writer) Open(bracket byte) {
	w.text = append(w.text, bracket)
	w.depth++
	w.filled = false
}

// Close ends it with '}' or ']'.
func (w *Writer) Close(bracket byte) {
	w.depth--
	if w.filled {
		w.newLine()
	}
	w.text = append(w.text, bracket)
	w.filled = true
}

// Item comes in front of each value in an array.
func (w *Writer) Item() {
	if w.filled {
		w.text = append(w.text, ',')
	}
	w.filled = true
	w.newLine()
}

// Key comes in front of each value in an object.
func (w *Writer) Key(name string) {
	w.Item()
	w.String(name)
	w.text = append(w.text, ':')
	if w.indent != "" {
		w.text = append(w.text, ' ')
	}
}

func (w *Writer) newLine() {
	if w.indent == "" {
		return
	}
	w.text = append(w.text, '\n')
	for range w.depth {
		w.text = append(w.text, w.indent...)
	}
}

// String writes a string.
func (w *Writer) String(s string) {
	if !w.plain(s) {
		w.escaped(s)
		return
	}
	w.text = append(w.text, '"')
	w.text = append(w.text, s...)
	w.text = append(w.text, '"')
}

// plain tells whether s stands for itself between quotes.
func (w *Writer) plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf:
			return false
		case w.html && (c == '<' || c == '>' || c == '&'):
			return false
		}
	}
	return true
}

func (w *Writer) escaped(s string) {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(w.html)
	if err := enc.Encode(s); err != nil {
		w.fail(err)
	}
	w.text = append(w.text, strings.TrimSuffix(text.String(), "\n")...)
}

// Array writes an array, null for nil.
func Array[T any](w *Writer, list []T, write func(item *T)) {
	if list == nil {
		w.Null()
		return
	}
	w.Open('[')
	for i := range list {
		w.Item()
		write(&list[i])
	}
	w.Close(']')
}

// Int writes a number.
func (w *Writer) Int(n int) { w.text = strconv.AppendInt(w.text, int64(n), 10) }

// Bool writes true or false.
func (w *Writer) Bool(b bool) { w.text = strconv.AppendBool(w.text, b) }

// Null writes null.
func (w *Writer) Null() { w.text = append(w.text, "null"...) }

// Time writes a time. One that lies outside of the years 0 to 9999 cannot be written.
func (w *Writer) Time(t time.Time) {
	w.text = append(w.text, '"')
	text, err := t.AppendText(w.text)
	if err != nil {
		w.fail(err)
		return
	}
	w.text = append(text, '"')
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}
