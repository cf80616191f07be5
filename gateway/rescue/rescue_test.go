package rescue

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// counting counts how often it is asked.
type counting struct {
	asked int
	err   error
}

func (c *counting) Siblings(ctx context.Context) (protocol.Siblings, error) {
	c.asked++
	if ctx.Err() != nil {
		return protocol.Siblings{}, ctx.Err()
	}
	return protocol.Siblings{Siblings: []protocol.Sibling{{Profile: "default"}}}, c.err
}

func (*counting) Doctor(context.Context, string, bool, func(string, string)) (int, error) {
	return 0, nil
}

func TestSiblingsAreRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counting{}
		f := New(c, time.Now)
		left, leave := context.WithCancel(t.Context())
		leave() // whoever asks first and goes away spoils it for nobody
		var all sync.WaitGroup
		for _, ctx := range []context.Context{left, t.Context(), t.Context()} {
			all.Go(func() {
				if got := f.Siblings(ctx); len(got.Siblings) != 1 || got.Unseen != "" {
					t.Errorf("got %+v", got)
				}
			})
		}
		all.Wait()
		if c.asked != 1 {
			t.Errorf("asked %d times by three at once", c.asked)
		}
		c.err = errors.New("mute")
		if got := f.Siblings(t.Context()); len(got.Siblings) != 1 || c.asked != 1 {
			t.Errorf("not remembered: %+v", got)
		}
		f.forget()
		if got := f.Siblings(t.Context()); len(got.Siblings) != 0 || got.Unseen != "mute" || c.asked != 2 {
			t.Errorf("after an error: %+v", got)
		}
		later := time.NewTimer(fresh)
		<-later.C
		c.err = nil
		if got := f.Siblings(t.Context()); len(got.Siblings) != 1 || c.asked != 3 {
			t.Errorf("when it is old: %+v", got)
		}
	})
}
