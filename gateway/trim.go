package gateway

import (
	"runtime/debug"
	"time"
)

// When many clients have come or gone and no more do, what that has left behind is given
// back to the system: the runtime would keep twice of what is in use for minutes, and does
// not make the stacks smaller on which clients were let in.
const (
	trimCrowd = 256             // clients that have come or gone since the last time
	trimQuiet = 1 * time.Second // for which none has
)

// trimmer gives memory back. It is for one goroutine; the zero value is ready.
type trimmer struct {
	timer *time.Timer // nil: nothing to give back
	now   int         // clients there are
	then  int         // clients there were at the last time
}

// count notes how many clients there are.
func (t *trimmer) count(n int) {
	t.now = n
	if d := t.now - t.then; d < trimCrowd && d > -trimCrowd {
		t.stop()
	} else if t.timer == nil {
		t.timer = time.NewTimer(trimQuiet)
	} else {
		t.timer.Reset(trimQuiet)
	}
}

// due is ready when run is to be called; nil when nothing is to be given back.
func (t *trimmer) due() <-chan time.Time {
	if t.timer == nil {
		return nil
	}
	return t.timer.C
}

func (t *trimmer) run() {
	t.then, t.timer = t.now, nil
	debug.FreeOSMemory()
}

func (t *trimmer) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.timer = nil
}
