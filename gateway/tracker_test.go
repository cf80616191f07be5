package gateway

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestSettled: a request that is on its way is waited for, one that is being
// answered as well, and who says nothing is cut off.
func TestSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker()
		silent, silentFar := net.Pipe()
		busy, busyFar := net.Pipe()
		for _, c := range []net.Conn{silent, busy} {
			tr.state(c, http.StateNew)
		}
		tr.state(busy, http.StateActive)
		tr.answering((&http.Request{}).WithContext(tr.remember(t.Context(), busy)))
		begin := time.Now()
		time.AfterFunc(10*time.Second, func() { tr.state(busy, http.StateIdle) })
		tr.settled(t.Context())
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("settled after %s", took)
		}
		if _, err := silentFar.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the silent connection: %v", err)
		}
		tr.state(silent, http.StateClosed)
		fresh, freshFar := net.Pipe()
		tr.state(fresh, http.StateNew)
		begin = time.Now()
		tr.settled(t.Context())
		if took := time.Since(begin); took != arrival {
			t.Errorf("waited %s for a request", took)
		}
		for _, c := range []net.Conn{busy, busyFar, silentFar, freshFar} {
			c.Close()
		}
	})
}

func TestGreetings(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	var last func()
	for range maxGreets {
		done, ok := tr.greeting()
		if !ok {
			t.Fatal("refused below the limit")
		}
		last = done
	}
	if _, ok := tr.greeting(); ok {
		t.Error("let in above the limit")
	}
	last()
	last() // more than once
	if _, ok := tr.greeting(); !ok {
		t.Error("refused though one has been greeted")
	}
	if _, ok := tr.greeting(); ok {
		t.Error("let in above the limit")
	}
}
