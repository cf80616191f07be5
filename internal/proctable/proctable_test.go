package proctable_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

func TestSelf(t *testing.T) {
	t.Parallel()
	p, err := proctable.Get(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	exe, _ := os.Executable()
	if p.PPID != os.Getppid() || p.UID != os.Getuid() || p.Exe != exe || len(p.Argv) != len(os.Args) || p.ExeDeleted {
		t.Errorf("got %+v", p)
	}
	if !proctable.Alive(p.PID, p.StartTime) || proctable.Alive(p.PID, p.StartTime+1) {
		t.Error("the start time does not tell processes apart")
	}
	if !proctable.IsDescendant(p.PID, p.PPID) || proctable.IsDescendant(p.PPID, p.PID) || !proctable.IsDescendant(p.PID, p.PID) {
		t.Error("wrong about descent")
	}
}

func TestDead(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := proctable.Get(cmd.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestListeners(t *testing.T) {
	t.Parallel()
	syscall.ForkLock.RLock() // what other tests start has every socket open until it runs its own program
	defer syscall.ForkLock.RUnlock()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	got, err := proctable.Listeners(int(addr.Port()))
	if err != nil || len(got) != 1 || got[0].Addr != addr || got[0].PID != os.Getpid() || got[0].UID != os.Getuid() {
		t.Fatalf("got %+v, %v", got, err)
	}
	text := proctable.Describe(got[0])
	if !strings.HasPrefix(text, "pid ") || !strings.Contains(text, filepath.Base(os.Args[0])) {
		t.Errorf("described as %q", text)
	}
	l.Close()
	if got, err := proctable.Listeners(int(addr.Port())); err != nil || len(got) != 0 {
		t.Errorf("after close: %+v, %v", got, err)
	}
}

func TestExecutable(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "coderclaw")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	for argv0, want := range map[string]string{link: link, "/bin/sh": self, "no-such-program": self} {
		if got, err := proctable.Executable(argv0, exec.LookPath); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", argv0, got, err, want)
		}
	}
}
