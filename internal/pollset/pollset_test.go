package pollset

import (
	"context"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a set until the end of the test.
func running(t *testing.T) *Set {
	t.Helper()
	s := &Set{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

func TestAwait(t *testing.T) {
	t.Parallel()
	s := running(t)
	for _, end := range []bool{false, true} {
		r, w := pipe(t)
		came := make(chan struct{}, 2)
		cancel, err := s.Await(r, func() { came <- struct{}{} })
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-came:
			t.Error("called before there was anything")
		default:
		}
		if end {
			_ = w.Close()
		} else if _, err := w.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		<-came
		if cancel() {
			t.Error("given up after the call")
		}
		if _, err := s.Await(r, func() { came <- struct{}{} }); err != nil { // what is there counts
			t.Fatal(err)
		}
		<-came
	}
}

// TestCancel: either the call comes, or cancel says that it does not.
func TestCancel(t *testing.T) {
	t.Parallel()
	s := running(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r, w := pipe(t)
			for range 200 {
				came := make(chan struct{}, 1)
				cancel, err := s.Await(r, func() { came <- struct{}{} })
				if err != nil {
					t.Error(err)
					return
				}
				wrote := make(chan error, 1)
				go func() {
					_, err := w.Write([]byte{1})
					wrote <- err
				}()
				gaveUp := cancel()
				if err := <-wrote; err != nil {
					t.Error(err)
				}
				if !gaveUp {
					<-came
				}
				if _, err := r.Read(make([]byte, 1)); err != nil {
					t.Error(err)
				}
				select {
				case <-came:
					t.Error("called although it was given up")
				default:
				}
			}
		})
	}
	all.Wait()
}

// TestAwaitBeforeRun: what has come by then is noticed.
func TestAwaitBeforeRun(t *testing.T) {
	t.Parallel()
	s := &Set{}
	r, w := pipe(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.Await(r, cancel); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}
