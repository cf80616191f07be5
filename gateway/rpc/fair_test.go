package rpc

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
)

// bad panics where it is read.
type bad struct{}

func (*bad) UnmarshalJSON([]byte) error { panic("ouch") }

// TestOneAfterTheOther: requests that need not wait are carried out one at a time for each
// client and answered in order, while one that waits holds up neither them nor another.
func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	var m Mux
	var at, most atomic.Int32
	release := make(chan struct{})
	Handle(&m, "quick", ScopeRead, func(context.Context, *Session, struct{}) (string, error) {
		if n := at.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer at.Add(-1)
		return "done", nil
	})
	Handle(&m, "slow", ScopeRead, func(context.Context, *Session, struct{}) (string, error) {
		<-release
		return "done", nil
	})
	HandleTwice(&m, "twice", ScopeRead, func(_ context.Context, _ *Session, _ struct{}, early func(string) error) (string, error) {
		defer func() { <-release }()
		return "done", early("soon")
	})
	HandleLoose(&m, "bad", ScopeRead, func(context.Context, *Session, bad) (string, error) { return "", nil })
	m.Waits("slow")
	h := quiet(&m)
	s, far := session(t, h)
	s.Scopes = []string{string(ScopeRead)}
	wait := serve(t, h, s)
	methods := []string{"slow", "twice", "quick", "no.such", "node.event", "bad"}
	var want []string
	for i := range 200 {
		method := methods[min(i, i%4+2)]
		id := fmt.Sprint(i)
		send(t, far, request(id, method))
		if method != "slow" {
			want = append(want, id)
		}
	}
	answers := func(n int) (ids []string) {
		for len(ids) < n {
			_, raw, err := far.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, rest, ok := strings.Cut(string(raw), `"id":"`); ok {
				id, _, _ := strings.Cut(rest, `"`)
				ids = append(ids, id)
			}
		}
		return ids
	}
	got := answers(len(want))
	if i := slices.Index(got, "1"); i < 0 {
		t.Error("no early answer")
	} else {
		got = slices.Insert(slices.Delete(got, i, i+1), 0, "1") // it may come at any time
	}
	if !slices.Equal(got, want) {
		t.Errorf("answered in the order %v", got)
	}
	if most.Load() != 1 {
		t.Errorf("%d at once", most.Load())
	}
	close(release)
	if got := answers(2); !slices.Contains(got, "0") || !slices.Contains(got, "1") {
		t.Errorf("at last answered %v", got)
	}
	far.Close(websocket.StatusNormalClosure, "")
	wait()
	if h.held.Load() != 0 || s.held.Load() != 0 {
		t.Errorf("%d bytes held, %d for it", h.held.Load(), s.held.Load())
	}
}
