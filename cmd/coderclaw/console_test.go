package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestConsoleNeverWaits: what nobody reads is dropped and counted.
func TestConsoleNeverWaits(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	c := newConsole(w)
	line := bytes.Repeat([]byte("x"), 1023)
	line = append(line, '\n')
	for range 3 * maxConsole / len(line) {
		if n, err := c.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	got := make(chan string)
	go func() {
		all, _ := io.ReadAll(r) // what a pipe yields before it is closed
		got <- string(all)
	}()
	for c.pending() { // until the reader has caught up
	}
	if _, err := c.Write([]byte("last\n")); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-c.done // Close waits no longer than a console may take
	w.Close()
	text := <-got
	if !strings.HasSuffix(text, " lines were dropped, nobody read them)\nlast\n") || len(text) > 2*maxConsole+1024 {
		t.Errorf("%d bytes, ending in %q", len(text), text[max(0, len(text)-100):])
	}
}

func (c *console) pending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 0
}
