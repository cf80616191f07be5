//go:build unix

package client_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/client"
)

// TestIdentityOfAnother: what root keeps in the state dir of a user belongs to that
// user, whose own commands could not read it otherwise; and it follows no link out.
func TestIdentityOfAnother(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // nobody else can write in the state dir of another
	}
	const uid = 65533
	url := serve(t, func(context.Context, *websocket.Conn) {})
	introduce := func(dir string) string {
		t.Helper()
		id, err := client.LoadIdentity(dir)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := client.Dial(t.Context(), client.Options{URL: url, Identity: id})
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close() // the other end may be gone
		return id.ID()
	}
	theirs := func() string {
		dir := t.TempDir()
		if err := os.Chown(dir, uid, uid); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir := theirs()
	first := introduce(dir)
	for _, name := range []string{"identity", "identity/device.json"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != uid || st.Gid != uid || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: owner %d:%d, %v", name, st.Uid, st.Gid, info.Mode())
		}
	}
	if files, err := os.ReadDir(filepath.Join(dir, "identity")); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	if again := introduce(dir); again != first {
		t.Errorf("the second time it is %s, not %s", again, first)
	}

	trap, out := theirs(), t.TempDir()
	if err := os.Symlink(out, filepath.Join(trap, "identity")); err != nil {
		t.Fatal(err)
	}
	introduce(trap)
	if files, err := os.ReadDir(out); err != nil || len(files) > 0 {
		t.Errorf("written through a link: %v, %v", files, err)
	}
}
