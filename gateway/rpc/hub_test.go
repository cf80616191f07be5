package rpc

import (
	"context"
	"runtime"
	"slices"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestSlowConsumer: a client that does not read loses what may be dropped, and
// the connection for what may not.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	s, _ := session(t, h)
	h.OnRefuse(func(reason, about string) string { return reason + about + " [help]" })
	h.Welcome(s, []byte("hello"))
	s.out.bytes = protocol.MaxBufferedBytes + 1
	for _, tc := range []struct {
		drop   bool
		queued int
		ends   bool
	}{{true, 1, false}, {false, 0, true}} {
		if err := h.Broadcast("tick", 1, Delivery{Drop: tc.drop}); err != nil {
			t.Fatal(err)
		}
		if len(s.out.waiting) != tc.queued || (s.ending != nil) != tc.ends {
			t.Errorf("drop %v: %d queued, ending %+v", tc.drop, len(s.out.waiting), s.ending)
		}
	}
	if s.ending.code != protocol.ClosePolicy || s.ending.reason != "slow consumer [help]" {
		t.Errorf("ends with %+v", s.ending)
	}
	if h.held.Load() != 0 {
		t.Errorf("%d bytes held", h.held.Load())
	}
}

// TestTell: it waits for those who read slowly, not for those who have gone, and not for longer than it may.
func TestTell(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	one, _ := session(t, h)
	two, _ := session(t, h)
	for _, s := range []*Session{one, two} {
		h.Welcome(s, []byte("hello"))
	}
	told := make(chan error, 1)
	go func() { told <- h.Tell(t.Context(), "shutdown", nil, Delivery{}) }()
	for _, s := range []*Session{one, two} {
		for range 2 {
			m, _ := s.next()
			for m == nil { // not queued yet
				runtime.Gosched()
				m, _ = s.next()
			}
			if len(told) > 0 {
				t.Fatal("it did not wait")
			}
			s.written(m)
		}
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Tell(ctx, "shutdown", nil, Delivery{}); err != nil {
		t.Error(err)
	}
	two.drop()
	one.drop()
	if err := h.Tell(t.Context(), "shutdown", nil, Delivery{}); err != nil {
		t.Error(err)
	}
}

// TestSeq: broadcasts are numbered while there are clients, those that a client
// may not see included; what is sent to one is not.
func TestSeq(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	if err := h.Broadcast("tick", 1, Delivery{}); err != nil || h.seq != 0 {
		t.Errorf("seq %d without clients, %v", h.seq, err)
	}
	s, _ := session(t, h)
	h.Welcome(s, []byte("{}"))
	for _, d := range []Delivery{{}, {Need: ScopePairing}, {Version: &protocol.StateVersion{Presence: 1, Health: 2}}} {
		if err := h.Broadcast("x", nil, d); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Send(s, "y", nil, nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range s.out.waiting {
		got = append(got, string(m.raw))
	}
	want := []string{"{}", `{"type":"event","event":"x","payload":null,"seq":1}`,
		`{"type":"event","event":"x","payload":null,"seq":3,"stateVersion":{"presence":1,"health":2}}`, `{"type":"event","event":"y","payload":null}`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
