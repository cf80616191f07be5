package sdnotify

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSendRecv(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "n")
	for range 2 { // the second Listen meets the first one's file
		s, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		if err := Send(path, "READY=1", "STATUS=a=b", "noise", "=x"); err != nil {
			t.Fatal(err)
		}
		got, err := s.Recv(t.Context())
		if err != nil || len(got) != 2 || got["READY"] != "1" || got["STATUS"] != "a=b" {
			t.Errorf("got %v, %v", got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Recv(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		s.conn.Close() // as a crash would leave it
	}
	if err := Send(filepath.Join(t.TempDir(), "none"), "READY=1"); err == nil {
		t.Error("sent to nobody")
	}
	if _, err := Listen("/" + strings.Repeat("x", 200)); err == nil {
		t.Error("a path that no socket can have")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("READY=1\nX=2\n\n=\n")
	f.Fuzz(func(t *testing.T, text string) {
		for k := range parse(text) {
			if k == "" || strings.ContainsAny(k, "=\n") {
				t.Errorf("key %q", k)
			}
		}
	})
}

// TestAdopt: what has come before a socket changes hands is not lost.
func TestAdopt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "n")
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := first.Recv(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := Send(path, "READY=1"); err != nil {
		t.Fatal(err)
	}
	f, err := first.File()
	if err != nil {
		t.Fatal(err)
	}
	second, err := Adopt(path, f)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.Recv(t.Context()); err != nil || got["READY"] != "1" {
		t.Errorf("got %v, %v", got, err)
	}
	if err := errors.Join(second.Close(), first.Close()); err != nil {
		t.Error(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Adopt(path, null); err == nil {
		t.Error("adopted what is no socket")
	}
}
