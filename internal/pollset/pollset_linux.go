package pollset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Set is one epoll descriptor. The zero value is ready; Await is safe for concurrent
// use, and what it waits for is noticed while Run runs.
type Set struct {
	calls sync.WaitGroup

	mu    sync.Mutex // guards what follows
	file  *os.File   // nil before the first use
	fd    int
	last  int32 // number of the wait that began last
	waits map[int32]*wait
}

type wait struct {
	fd int
	fn func()
}

// Run calls those who wait until ctx ends, and returns when all that was called has
// returned. The set is of no use afterwards.
func (s *Set) Run(ctx context.Context) error {
	file, err := s.open()
	if err != nil {
		return err
	}
	defer s.calls.Wait()
	defer s.close()
	stop := context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) }) // a closed one needs none
	defer stop()
	raw, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("pollset: %w", err)
	}
	events := make([]unix.EpollEvent, 64)
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, err := unix.EpollWait(int(fd), events, 0)
			switch {
			case errors.Is(err, unix.EINTR):
			case err != nil:
				failed = fmt.Errorf("pollset: %w", err)
				return true
			case n == 0:
				return false
			}
			for _, e := range events[:max(0, n)] {
				s.came(e.Pad)
			}
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(err, failed)
}

func (s *Set) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.file.Close() // nothing was written through it
	s.fd = -1          // may soon be another's
}

func (s *Set) open() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file, s.openLocked()
}

func (s *Set) openLocked() error {
	if s.file != nil {
		return nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		if err = unix.SetNonblock(fd, true); err != nil { // so that os waits for it in the runtime's own poller
			_ = unix.Close(fd)
		}
	}
	if err != nil {
		return fmt.Errorf("pollset: %w", err)
	}
	s.fd, s.file, s.waits = fd, os.NewFile(uintptr(fd), "pollset"), map[int32]*wait{}
	return nil
}

// Await is that of Waiter.
func (s *Set) Await(f *os.File, fn func()) (cancel func() bool, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.openLocked(); err != nil {
		return nil, err
	}
	s.last++
	number := s.last
	w := &wait{fn: fn}
	var adding error
	err = raw.Control(func(fd uintptr) {
		w.fd = int(fd)
		adding = unix.EpollCtl(s.fd, unix.EPOLL_CTL_ADD, w.fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(fd), Pad: number})
	})
	if err := errors.Join(err, adding); err != nil {
		return nil, fmt.Errorf("wait for %s: %w", f.Name(), err)
	}
	s.waits[number] = w
	return func() bool { return s.take(number) != nil }, nil
}

// take ends a wait and returns it, nil when it has ended already.
func (s *Set) take(number int32) *wait {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waits[number]
	if w != nil {
		delete(s.waits, number)
		_ = unix.EpollCtl(s.fd, unix.EPOLL_CTL_DEL, w.fd, nil) // it is in there
	}
	return w
}

func (s *Set) came(number int32) {
	if w := s.take(number); w != nil {
		s.calls.Go(w.fn)
	}
}
