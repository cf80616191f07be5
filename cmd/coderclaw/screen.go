package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// screen is the part of a terminal below the cursor that is drawn over and over.
// It is not safe for concurrent use.
type screen struct {
	w    io.Writer
	size func() (width, height int) // of the terminal, in characters

	shown []int // width of each line on the screen
}

// draw replaces what was drawn before. Lines too long for the terminal are cut, and
// so are those that would make it scroll.
func (s *screen) draw(text string) {
	width, height := s.size()
	text = clip(text, width)
	lines := strings.SplitAfter(text, "\n")
	lines = lines[:min(len(lines), max(height-1, 1))] // the cursor stands on the line below
	var out bytes.Buffer
	if up := s.rows(width); up > 0 {
		fmt.Fprintf(&out, "\x1b[%dA\r\x1b[J", min(up, max(height-1, 1))) // up, then clear to the end of the screen
	}
	s.shown = s.shown[:0]
	for _, line := range lines {
		out.WriteString(line)
		if body, whole := strings.CutSuffix(line, "\n"); whole {
			s.shown = append(s.shown, len([]rune(body)))
		}
	}
	_, _ = s.w.Write(out.Bytes()) // a terminal that went away must not stop what it shows
}

// rows is how many rows of a terminal that is width wide now the old lines take: it
// may have become narrower, and the lines with it longer than one row.
func (s *screen) rows(width int) int {
	n := 0
	for _, w := range s.shown {
		n += max(1, (w+width-1)/max(width, 1))
	}
	return n
}
