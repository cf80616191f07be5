package instance

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// forking is a forker that runs until the end of the test.
func forking(t *testing.T, f *Forker) *Forker {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f
}

// TestTables: with a table of its own and with that of the process, a forker gives
// children what they are to have, and nothing else.
func TestTables(t *testing.T) {
	t.Parallel()
	for _, shares := range []bool{false, true} {
		t.Run(fmt.Sprintf("shares %v", shares), func(t *testing.T) {
			t.Parallel()
			f := NewForker()
			f.shares = shares
			forking(t, f)
			dir := t.TempDir()
			given, err := os.Create(filepath.Join(dir, "given"))
			if err != nil {
				t.Fatal(err)
			}
			defer given.Close()
			for range 50 { // they are not given
				if other, err := os.Open(dir); err != nil {
					t.Fatal(err)
				} else {
					defer other.Close()
				}
			}
			for range 3 {
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				p, err := f.Start(t.Context(), StartSpec{Path: "/bin/sh", Args: []string{"sh", "-c", "cd /proc/$$/fd && for n in *; do echo $n $(readlink $n); done"}, Dir: dir,
					Files: []*os.File{nil, w, w, given, nil}})
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				out, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				if e, err := p.Wait(); err != nil || e.Code != 0 {
					t.Errorf("%+v %v", e, err)
				}
				for i, want := range []string{os.DevNull, "pipe:", "pipe:", given.Name(), os.DevNull} {
					if !strings.Contains("\n"+string(out), fmt.Sprintf("\n%d %s", i, want)) {
						t.Errorf("%d is not %s:\n%s", i, want, out)
					}
				}
				if strings.Contains(string(out), dir+"\n") {
					t.Errorf("it has what is not its own:\n%s", out)
				}
			}
			if own := f.table.in >= 0; own == shares {
				t.Errorf("a table of its own: %v", own)
			}
		})
	}
}

// onTable calls fn with a table of its own on the thread of that, and waits for it.
func onTable(t *testing.T, fn func(*table) error) *door {
	t.Helper()
	d, in, err := newDoor()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	done := make(chan error, 1)
	onOtherThread(func() {
		own, err := ownTable(in)
		if err == nil {
			err = fn(own)
			own.close()
		}
		done <- err
	})
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestOwnTableIsSmall: it has little of what the process has open.
func TestOwnTableIsSmall(t *testing.T) {
	t.Parallel()
	for range 100 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	onTable(t, func(*table) error {
		open := 0
		for fd := range 1000 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				open++
			}
		}
		if open > 50 { // each forker of a test that runs meanwhile has a poller
			return fmt.Errorf("%d descriptors", open)
		}
		return nil
	})
}

// TestRuntimeOnOwnTable: a collection and timers, which look into the runtime's
// poller from the thread that they begin on, find it there.
func TestRuntimeOnOwnTable(t *testing.T) {
	t.Parallel()
	onTable(t, func(*table) error {
		for range 30 {
			r, w := io.Pipe()
			go func() {
				pr, pw, err := os.Pipe() // waits in the poller
				if err == nil {
					time.AfterFunc(time.Millisecond, func() { _, _ = pw.Write([]byte{1}) })
					_, err = pr.Read(make([]byte, 1))
					_, _ = pr.Close(), pw.Close()
				}
				_ = w.CloseWithError(err)
			}()
			timer := time.NewTimer(time.Microsecond)
			runtime.GC()
			<-timer.C
			if _, err := io.ReadAll(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestFetch: files come in whatever order they are asked for, with any numbers and
// with those that they have in the process, and go again.
func TestFetch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var files []*os.File
	for i := range 2*maxFiles + 10 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() }) // after those of onTable
		files = append(files, f)
	}
	parcels := make(chan parcel)
	d := onTable(t, func(own *table) error {
		var all []parcel
		for p := range parcels {
			all = append(all, p)
		}
		for i, p := range slices.Backward(all) {
			fetch := own.fetch
			if i%2 == 0 {
				fetch = own.fetchAs
			}
			fds, done, err := fetch(p)
			if err != nil {
				return err
			}
			for j, f := range p.files {
				if n, err := number(f); err != nil || i%2 == 0 && fds[j] != n {
					return fmt.Errorf("%d is %d: %w", n, fds[j], err)
				}
				link, err := os.Readlink(fmt.Sprintf("/proc/thread-self/fd/%d", fds[j]))
				if err != nil || link != f.Name() {
					return fmt.Errorf("%d is %s: %w", fds[j], link, err)
				}
			}
			done()
			for _, fd := range fds {
				if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
					return fmt.Errorf("%d is still there", fd)
				}
			}
		}
		if len(own.early) > 0 {
			return fmt.Errorf("%d parcels are left", len(own.early))
		}
		return nil
	})
	for _, part := range [][]*os.File{files, files[:3], files[3:9], nil, files} {
		p, arrived, err := d.send(part)
		if err != nil {
			t.Fatal(err)
		}
		defer arrived()
		parcels <- p
	}
	close(parcels)
}

// TestManyStartsAtOnce: each child gets its own files.
func TestManyStartsAtOnce(t *testing.T) {
	t.Parallel()
	f := forking(t, NewForker())
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			r, w, err := os.Pipe()
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			p, err := f.Start(t.Context(), StartSpec{Path: "/bin/echo", Args: []string{"echo", fmt.Sprint(i)}, Files: []*os.File{nil, w, nil}})
			_ = w.Close() // before the other end is read to its end
			if err != nil {
				t.Error(err)
				return
			}
			if out, err := io.ReadAll(r); err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(i) {
				t.Errorf("%d printed %q, %v", i, out, err)
			}
			if e, err := p.Wait(); err != nil || e.Code != 0 {
				t.Errorf("%+v %v", e, err)
			}
		})
	}
	all.Wait()
}
