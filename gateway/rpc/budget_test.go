package rpc

import (
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestSlowestIsClosed: when all clients together hold too much, those that hold the most go,
// one by one, and an event that waits for all of them counts once.
func TestSlowestIsClosed(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	h.maxHeld = 10_000
	var all []*Session
	for range 20 {
		s, _ := session(t, h)
		h.Welcome(s, []byte("hello"))
		all = append(all, s)
	}
	ended := func() (n int) {
		for _, s := range all {
			if s.end() != nil {
				n++
			}
		}
		return n
	}
	if err := h.Broadcast("x", strings.Repeat("x", 5000), Delivery{}); err != nil {
		t.Fatal(err)
	}
	if n := ended(); n != 0 {
		t.Fatalf("%d were closed for one event that waits for all", n)
	}
	all[3].offer(make([]byte, 2000))
	all[7].offer(make([]byte, 500))
	if n := ended(); n != 0 {
		t.Fatalf("%d were closed below the bound", n)
	}
	all[7].offer(make([]byte, 3000)) // now it holds the most, and goes
	if n := ended(); n != 1 || all[7].end() == nil || all[7].end().reason != "slow consumer" {
		t.Errorf("%d were closed, the one that holds the most: %+v", n, all[7].end())
	}
	all[3].hold(8000) // of a request that it is sending
	h.relieve()
	if n := ended(); n != 2 || all[3].end() == nil {
		t.Errorf("%d were closed", n)
	}
	all[3].hold(-8000)
	for _, s := range all {
		s.drop()
	}
	if got := h.held.Load(); got != 0 {
		t.Errorf("%d bytes held for nobody", got)
	}
}

// TestSentSlowly: what has come of a message counts before the message is complete.
func TestSentSlowly(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	h.maxHeld = 1 << 20
	s, far := session(t, h)
	wait := serve(t, h, s)
	w, err := far.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil { // it never ends
		_, err = w.Write(make([]byte, 64<<10))
	}
	wait()
	if end := s.end(); end.reason != "slow consumer" || h.held.Load() != 0 {
		t.Errorf("ends with %+v, %d bytes held", end, h.held.Load())
	}
}
