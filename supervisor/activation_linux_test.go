package supervisor

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/instance"
)

// handed is a descriptor as a service manager hands it over.
func handed(t *testing.T, file func() (*os.File, error)) int {
	t.Helper()
	f, err := file()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func listening(t *testing.T, addr string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

func TestActivatedSockets(t *testing.T) {
	t.Parallel()
	port := freePorts(t, 1)[0]
	manager := listening(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	unwanted := listening(t, "127.0.0.1:0")
	pool := &Activated{profiles: 1}
	for _, l := range []*net.TCPListener{manager, unwanted} {
		s, err := openActivated(handed(t, l.File))
		if err != nil {
			t.Fatal(err)
		}
		pool.sockets = append(pool.sockets, activatedSocket{socket: s})
	}
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	l := listeners{pool: pool}
	files, err := l.bind(t.Context(), addrs(port, "127.0.0.1", "127.0.0.2"), log)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	if strings.Count(said.String(), "no profile listens there") != 1 || !strings.Contains(said.String(), unwanted.Addr().String()) || len(pool.list()) != 1 {
		t.Errorf("%s", said.String())
	}
	if held := l.held(); !held[0].pooled || held[1].pooled {
		t.Errorf("held %v", held)
	}
	if err := l.drop(); err != nil {
		t.Fatal(err)
	}
	if err := l.tryNew(t.Context(), addrs(port, "127.0.0.1")); err != nil {
		t.Errorf("after a stop: %v", err)
	}
	again, err := l.bind(t.Context(), addrs(port, "127.0.0.1"), log)
	if err != nil || again[0] != files[0] {
		t.Errorf("after a stop: %v, %v", again, err)
	}

	// The manager's socket cannot give way, whoever asks.
	_, err = l.bind(t.Context(), addrs(port, "0.0.0.0"), log)
	if b, ok := err.(*instance.BlockedError); !ok || b.Class != instance.ClassPort || !strings.Contains(b.Reason, "held by the socket unit of this service") {
		t.Errorf("got %v", err)
	}
	if held := l.held(); len(held) != 1 || !held[0].pooled {
		t.Errorf("a failure changed the sockets: %v", held)
	}
	if err := l.drop(); err != nil {
		t.Fatal(err)
	}
}

func TestActivateRefuses(t *testing.T) {
	t.Parallel()
	env := func(pid, fds string) func(string) (string, bool) {
		return func(name string) (string, bool) {
			v, ok := map[string]string{EnvListenPID: pid, EnvListenFDs: fds}[name]
			return v, ok && v != ""
		}
	}
	for _, tc := range []struct {
		pid, fds string
		bad      bool
	}{
		{"", "1", false}, {"1", "1", false}, {"x", "1", false}, // for another process
		{strconv.Itoa(os.Getpid()), "", true}, {strconv.Itoa(os.Getpid()), "-1", true}, {strconv.Itoa(os.Getpid()), "x", true}, {strconv.Itoa(os.Getpid()), "99999", true},
	} {
		a, err := Activate(nil, env(tc.pid, tc.fds))
		if a != nil || (err != nil) != tc.bad {
			t.Errorf("%q, %q: got %v, %v", tc.pid, tc.fds, a, err)
		}
	}
	if a, err := Activate(nil, env(strconv.Itoa(os.Getpid()), "0")); err != nil || len(a.list()) != 0 {
		t.Errorf("none: %v, %v", a, err)
	}
}

func TestActivatedMustListen(t *testing.T) {
	t.Parallel()
	l := listening(t, "127.0.0.1:0")
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	unixSocket, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer unixSocket.Close()
	for says, file := range map[string]func() (*os.File, error){
		"no listening stream socket": client.(*net.TCPConn).File,
		"it is no listening":         datagrams.(*net.UDPConn).File,
		"no TCP socket":              unixSocket.(*net.UnixListener).File,
		"it is no socket":            func() (*os.File, error) { return os.Open(os.DevNull) },
	} {
		fd := handed(t, file)
		if _, err := openActivated(fd); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
	six := listening(t, "[::1]:0")
	s, err := openActivated(handed(t, six.File))
	if err != nil {
		t.Fatal(err)
	}
	defer s.file.Close()
	if want := netip.MustParseAddrPort(six.Addr().String()); s.addr != want {
		t.Errorf("got %v, want %v", s.addr, want)
	}
}
