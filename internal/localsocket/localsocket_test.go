package localsocket_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/localsocket"
)

func TestListenAndDial(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, below string
	}{{"short", ""}, {"long", strings.Repeat("d", 150)}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			root, err := os.MkdirTemp("", "s") // that of t would be long already
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(root) })
			dir := filepath.Join(root, tc.below)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "x.sock")
			if err := os.WriteFile(path, nil, 0o644); err != nil { // a crash has left one behind
				t.Fatal(err)
			}
			l, err := localsocket.Listen(dir, "x.sock")
			if tc.below != "" && runtime.GOOS != "linux" {
				if !errors.Is(err, localsocket.ErrTooLong) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o600 {
				t.Errorf("%v, %v", info, err)
			}
			go func() {
				c, err := l.Accept()
				if err == nil {
					_, err = io.WriteString(c, "hello")
					err = errors.Join(err, c.Close())
				}
				if err != nil {
					t.Error(err)
				}
			}()
			c, err := localsocket.Dial(t.Context(), dir, "x.sock")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			c.Close()
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			if _, err := localsocket.Dial(t.Context(), dir, "x.sock"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("nobody listens, got %v", err)
			}
		})
	}
	if _, err := localsocket.Listen(filepath.Join(t.TempDir(), "none"), "x.sock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such directory, got %v", err)
	}
}
