package instance

import (
	"context"
	"runtime"

	"golang.org/x/sys/unix"
)

// serveApart serves on a thread that has a table of descriptors of its own. It
// returns at once without having served where that cannot be had.
func (f *Forker) serveApart(ctx context.Context, waiting <-chan error) (served bool, err error) {
	d, in, err := newDoor()
	if err != nil {
		return false, err
	}
	defer d.close()
	apart, done := make(chan error, 1), make(chan error, 1)
	onOtherThread(func() {
		t, err := ownTable(in)
		if apart <- err; err == nil {
			f.table, f.door = t, d
			done <- f.serve(ctx, waiting)
		}
	})
	err = <-apart
	_ = unix.Close(in) // the other table has it
	if err != nil {
		return false, err
	}
	return true, <-done
}

// onOtherThread starts fn on a goroutine that is locked to a thread which is not the
// first one of the process. The thread ends with it.
func onOtherThread(fn func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			fn() // nobody unlocks the thread, so the runtime ends it
			return
		}
		defer runtime.UnlockOSThread()
		locked := make(chan struct{})
		go func() {
			runtime.LockOSThread() // another one, because this one waits
			close(locked)
			fn()
		}()
		<-locked
	}()
}
