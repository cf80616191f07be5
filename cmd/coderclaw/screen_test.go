package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestScreen(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	width, height := 10, 5
	s := screen{w: &out, size: func() (int, int) { return width, height }}
	draw := func(text string) string {
		out.Reset()
		s.draw(text)
		return out.String()
	}
	if got := draw("one\ntwo\n"); got != "one\ntwo\n" {
		t.Errorf("first: %q", got)
	}
	if got := draw("1234567890123\nb\nc\n"); got != "\x1b[2A\r\x1b[J123456789…\nb\nc\n" {
		t.Errorf("again: %q", got)
	}
	width = 5 // the first line takes two rows now
	if got := draw(strings.Repeat("x\n", 9)); got != "\x1b[4A\r\x1b[J"+strings.Repeat("x\n", 4) {
		t.Errorf("narrow, and more than fits: %q", got)
	}
	if got := draw("y\n"); got != "\x1b[4A\r\x1b[Jy\n" {
		t.Errorf("last: %q", got)
	}
}
