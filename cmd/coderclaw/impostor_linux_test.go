package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

// strangerUID is a user who owns nothing that the test makes.
const strangerUID = 65533

func TestTrusts(t *testing.T) {
	t.Parallel()
	p := profiles.Profile{Name: "dev", StateDir: t.TempDir(), ConfigPath: filepath.Join(t.TempDir(), "coderclaw.json")}
	for uid, want := range map[int]bool{0: true, os.Geteuid(): true, strangerUID: false} {
		if got := (target{profile: p}).trusts(uid); got != want {
			t.Errorf("uid %d: trusted %v", uid, got)
		}
	}
}

// TestImpostor: no credential goes to another user who listens where the gateway is not.
func TestImpostor(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // nobody else's socket can be made; TestTrusts holds the rest
	}
	l, err := listenAs(strangerUID)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := profiles.Profile{Name: "dev", StateDir: t.TempDir(), ConfigPath: filepath.Join(t.TempDir(), "coderclaw.json")}
	local := target{profile: p, url: "ws://" + l.Addr().String(), source: "local loopback", token: "secret"}
	if _, err = (&app{}).dial(t.Context(), local, "cli", nil); exitcode.Of(err) != exitcode.Busy || !strings.Contains(err.Error(), "no credential is sent there") {
		t.Errorf("to a stranger: %v", err)
	}
	remote := local
	remote.source = "cli --url"
	if err := remote.impostor(); err != nil {
		t.Errorf("a URL that was given: %v", err)
	}
	lock, err := statelock.Take(profiles.Profile{Name: "dev", StateDir: p.StateDir, Port: int(netip.MustParseAddrPort(l.Addr().String()).Port())}, statelock.Said{Scheme: "ws"})
	if err != nil {
		t.Fatal(err)
	}
	if err := local.impostor(); err != nil {
		t.Errorf("while the gateway runs: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
}

// listenAs makes a listener whose socket belongs to uid.
func listenAs(uid int) (net.Listener, error) {
	type made struct {
		l   net.Listener
		err error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Setfsuid(uid); err != nil {
			done <- made{nil, err}
			return
		}
		if now, _ := unix.SetfsuidRetUid(-1); now != uid {
			done <- made{nil, errors.New("the user of the file system did not change")}
			return
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		done <- made{l, err}
	}()
	m := <-done
	return m.l, m.err
}
