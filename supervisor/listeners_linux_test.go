package supervisor

import (
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Only Linux has all of 127/8 to bind to.
func TestListeners(t *testing.T) {
	t.Parallel()
	syscall.ForkLock.RLock() // what other tests start has every socket open until it runs its own program
	defer syscall.ForkLock.RUnlock()
	port := freePorts(t, 1)[0]
	var complaints strings.Builder
	log := slog.New(slog.NewTextHandler(&complaints, nil))
	var l listeners
	bind := func(ips ...string) []*os.File {
		t.Helper()
		files, err := l.bind(t.Context(), addrs(port, ips...), log)
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	thief, err := net.Listen("tcp", addrs(port, "127.0.0.3")[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()

	first := bind("127.0.0.1", "127.0.0.3", "127.0.0.2")
	if len(first) != 2 || strings.Count(complaints.String(), "additional address") != 1 {
		t.Errorf("%d sockets; %s", len(first), complaints.String())
	}
	if again := bind("127.0.0.1", "127.0.0.3", "127.0.0.2"); !slices.Equal(again, first) || strings.Count(complaints.String(), "additional address") != 1 {
		t.Errorf("not the same sockets, or another complaint: %s", complaints.String())
	}
	thief.Close()
	var all []*os.File
	waitFor(t, "the address that became free", func() bool {
		all = bind("127.0.0.1", "127.0.0.3", "127.0.0.2")
		return len(all) == 3
	})
	if all[0] != first[0] || all[2] != first[1] {
		t.Errorf("an address that became free was not taken: %v", all)
	}
	if fewer := bind("127.0.0.2"); len(fewer) != 1 || fewer[0] != first[1] {
		t.Errorf("got %v", fewer)
	}
	refused(t, port)        // at the address that was dropped
	wide := bind("0.0.0.0") // in whose way our own socket is
	if len(wide) != 1 {
		t.Errorf("got %v", wide)
	}
	narrow := bind("127.0.0.1")
	if len(narrow) != 1 || narrow[0] == wide[0] {
		t.Errorf("got %v", narrow)
	}
	_, err = l.bind(t.Context(), addrs(port, "203.0.113.1", "127.0.0.1"), log)
	if err == nil || err.Error() != "this machine has no address 203.0.113.1" {
		t.Errorf("got %v", err)
	}
	if same := bind("127.0.0.1"); same[0] != narrow[0] {
		t.Error("a failure changed the sockets")
	}
	if err := l.drop(); err != nil {
		t.Error(err)
	}
	refused(t, port)
	if _, err := l.bind(t.Context(), nil, log); err == nil {
		t.Error("no address is no error")
	}
}

// TestClosedSocketThatLingers: one of our own that somebody has open for a moment longer
// is not taken for another's, neither in the way of another nor when it was dropped.
func TestClosedSocketThatLingers(t *testing.T) {
	t.Parallel()
	port := freePorts(t, 1)[0]
	var l listeners
	defer l.drop()
	linger := func(f *os.File) {
		t.Helper()
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(3*lingers/lingerTries, func() { unix.Close(fd) })
	}
	bind := func(ip string) *os.File {
		t.Helper()
		files, err := l.bind(t.Context(), addrs(port, ip), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return files[0]
	}
	linger(bind("127.0.0.1"))
	for _, again := range []func(){
		func() { bind("0.0.0.0") },
		func() {
			if err := l.tryNew(t.Context(), addrs(port, "0.0.0.0")); err != nil {
				t.Error(err)
			}
		},
	} {
		linger(bind("0.0.0.0"))
		if err := l.drop(); err != nil {
			t.Fatal(err)
		}
		again()
	}
}
