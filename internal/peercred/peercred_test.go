//go:build linux || darwin

package peercred_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/coderclaw/coderclaw/internal/peercred"
)

func TestOf(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := peercred.Of(c.(*net.UnixConn))
	want := peercred.Cred{UID: uint32(os.Getuid()), PID: os.Getpid()}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	c.Close()
	if _, err := peercred.Of(c.(*net.UnixConn)); err == nil {
		t.Error("a closed connection has a peer")
	}
}
