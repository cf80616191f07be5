package openclawtest

import (
	_ "embed"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

//go:embed session.mjs
var sessionScript []byte

// Session runs command lines of a client one after another in one process, which
// saves each the two seconds of a start.
type Session struct {
	c       Client
	in      *json.Encoder
	answers chan Result
}

// Session starts such a process; it ends with the test.
func (c Client) Session(t *testing.T) *Session {
	t.Helper()
	script := filepath.Join(c.home, "session.mjs")
	if err := os.WriteFile(script, sessionScript, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := c.command(t.Context(), script)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Session{c, json.NewEncoder(in), make(chan Result)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(s.answers)
		for dec := json.NewDecoder(out); ; {
			var r Result
			if err := dec.Decode(&r); err != nil {
				if err != io.EOF {
					t.Errorf("session of openclaw: %v", err)
				}
				return
			}
			s.answers <- r
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		for range s.answers { // nobody waits for these
		}
		<-ended
		_ = cmd.Wait() // its last answer has been read, and it may have timers left
	})
	return s
}

// Run is [Client.Run] in the session.
func (s *Session) Run(t *testing.T, args ...string) Result {
	t.Helper()
	if err := s.in.Encode(map[string]any{"dist": filepath.Join(s.c.root, "dist"), "argv": args}); err != nil {
		t.Fatalf("session of openclaw: %v", err)
	}
	select {
	case r, ok := <-s.answers:
		if !ok {
			t.Fatalf("the session of openclaw ended at %q", args)
		}
		return r
	case <-time.After(perCommand):
		t.Fatalf("openclaw %q: no end after %v", args, perCommand)
	}
	return Result{}
}
