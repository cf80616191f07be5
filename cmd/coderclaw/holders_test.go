package main

import (
	"net"
	"os"
	"testing"
)

// TestHolders: a port that was looked up is not looked up again, and any other is.
func TestHolders(t *testing.T) {
	t.Parallel()
	open := func() (net.Listener, int) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() }) // closed already, or not
		return l, l.Addr().(*net.TCPAddr).Port
	}
	first, before := open()
	_, after := open()
	h := holdersOf([]int{before})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		held *holders
		port int
		want int
	}{{h, before, 1}, {h, after, 1}, {nil, after, 1}} {
		ls, err := tc.held.listeners(tc.port)
		if err != nil || len(ls) != tc.want || len(ls) > 0 && ls[0].PID != os.Getpid() {
			t.Errorf("%+v of port %d: %v, %v; want %d", tc.held, tc.port, ls, err, tc.want)
		}
	}
}
