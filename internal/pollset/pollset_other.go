//go:build !linux

package pollset

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Set waits with a goroutine for each descriptor. The zero value is ready; Await is
// safe for concurrent use.
type Set struct{ calls sync.WaitGroup }

// Run returns when ctx has ended and all that was called has returned.
func (s *Set) Run(ctx context.Context) error {
	<-ctx.Done()
	s.calls.Wait()
	return nil
}

// Await is that of Waiter. What cannot be waited for here is left to the read.
func (s *Set) Await(f *os.File, fn func()) (cancel func() bool, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var over atomic.Bool // whoever sets it decides
	_ = f.SetReadDeadline(time.Time{})
	s.calls.Go(func() {
		_ = raw.Read(ready) // an error shows at the read
		if over.CompareAndSwap(false, true) {
			fn()
		}
	})
	return func() bool {
		if !over.CompareAndSwap(false, true) {
			return false
		}
		_ = f.SetReadDeadline(time.Unix(1, 0)) // ends the goroutine
		return true
	}, nil
}
