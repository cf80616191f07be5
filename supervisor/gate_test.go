package supervisor

import (
	"net"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
)

// TestShutGateCountsWhoCame: a client that was let in as the gate was shut is known
// when that returns, so that nobody is cut off who was not counted.
func TestShutGateCountsWhoCame(t *testing.T) {
	t.Parallel()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	entered, release := make(chan struct{}), make(chan struct{})
	var counted atomic.Bool
	g := newGate(l, func(net.Conn) {
		close(entered)
		<-release
		counted.Store(true)
	})
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := g.Accept()
		accepted <- c
	}()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	<-entered
	done := make(chan bool)
	go func() {
		_ = g.shut()
		done <- counted.Load()
	}()
	for range 1000 {
		runtime.Gosched()
	}
	close(release)
	if !<-done {
		t.Error("the gate was shut before everybody who came was counted")
	}
	(<-accepted).Close()
}
