package instance

import (
	"errors"
	"os"
	"sync"

	"github.com/coderclaw/coderclaw/internal/pollset"
)

// Intake consumes what one child prints. It is called from one goroutine at a time.
type Intake interface {
	// Take consumes what f yields without waiting, and tells whether that was the last. It ends
	// early when stop says so; f then keeps what was not consumed.
	Take(f *os.File, stop func() bool) (last bool, err error)
	// End is called last. It returns what was consumed of an unfinished line.
	End() (begun []byte, err error)
}

// output is what one child prints on its way to its intake. Most children are quiet
// nearly always, so no goroutine waits for them.
type output struct {
	file   *os.File
	intake Intake
	waits  pollset.Waiter
	failed func(error)
	done   chan struct{} // closed when nothing is consumed any more

	begun []byte // once done: of a line that was not finished

	mu     sync.Mutex // guards what follows
	ending bool
	cancel func() bool // of the last wait
}

// wait has more called when there is something to consume, unless it is to end.
func (o *output) wait() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending {
		o.finish()
		return
	}
	var err error
	if o.cancel, err = o.waits.Await(o.file, o.more); err != nil {
		o.ending = true
		o.failed(err)
		o.finish()
	}
}

func (o *output) more() {
	last, err := o.intake.Take(o.file, o.stopped)
	if err != nil && !errors.Is(err, os.ErrClosed) {
		o.failed(err)
	}
	if last || err != nil {
		o.mu.Lock()
		o.ending = true
		o.mu.Unlock()
	}
	o.wait()
}

func (o *output) stopped() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ending
}

// end stops soon: what has not been consumed stays in the file. It is no error when
// nothing is consumed any more.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending {
		return
	}
	o.ending = true
	if o.cancel() {
		o.finish()
	}
}

func (o *output) finish() {
	var err error
	if o.begun, err = o.intake.End(); err != nil {
		o.failed(err)
	}
	close(o.done)
}
