package supervisor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderclaw/coderclaw/supervisor/control"
)

// TestBoardPauses: the dearer a status is, the longer the next one waits, within bounds.
func TestBoardPauses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ takes, pause time.Duration }{
		{0, leastSettle}, {100 * time.Microsecond, settle * 100 * time.Microsecond}, {time.Second, mostSettle},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBoard(func() control.Status {
				time.Sleep(c.takes)
				return control.Status{}
			})
			var told time.Time
			n := 0
			enough := errors.New("enough")
			err := b.watch(context.Background(), func(control.Status) error {
				if got := time.Since(told) - c.takes; n > 0 && got != c.pause {
					t.Errorf("after %s the next one came in %s, want %s", c.takes, got, c.pause)
				}
				if n++; n == 3 {
					return enough
				}
				told = time.Now()
				b.changed()
				return nil
			})
			if !errors.Is(err, enough) {
				t.Error(err)
			}
		})
	}
}
