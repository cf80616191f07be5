//go:build linux

package supbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coderclaw/coderclaw/cmd/bench/procstat"
)

// bare is what the supervisor is held against: the same child below nothing but
// fork, exec and wait, from one thread.
type bare struct {
	set   *set
	null  *os.File
	slots []int // the pid that runs in the state dir of each profile, 0 for none
}

// startBare starts a child for every profile. It returns how long it took until
// the last had its first instruction, and what that took of this process's own time.
func startBare(ctx context.Context, s *set) (b *bare, took, cpu time.Duration, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, 0, 0, err
	}
	b = &bare{set: s, null: null, slots: make([]int, len(s.profiles))}
	before, err := procstat.Read(os.Getpid())
	if err != nil {
		return b, 0, 0, err
	}
	begin, err := now()
	if err != nil {
		return b, 0, 0, err
	}
	for i := range b.slots {
		if err := b.fork(i, null); err != nil {
			return b, 0, 0, err
		}
	}
	after, err := procstat.Read(os.Getpid())
	if err != nil {
		return b, 0, 0, err
	}
	last, _, err := s.stamps.lastOf(ctx, len(b.slots))
	return b, last - begin, after.CPU - before.CPU, err
}

// fork starts the child of one profile. It dies with this thread, to which the
// caller is locked.
func (b *bare) fork(slot int, stdout *os.File) error {
	pid, err := syscall.ForkExec(b.set.child, []string{b.set.child}, &syscall.ProcAttr{
		Dir: b.set.profiles[slot].StateDir, Env: []string{"HOME=" + b.set.home},
		Files: []uintptr{b.null.Fd(), stdout.Fd(), b.null.Fd()},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return fmt.Errorf("bare fork and exec: %w", err)
	}
	b.slots[slot] = pid
	return nil
}

// crash kills children one after the other and starts each again. It returns the
// times from the kill to the successor's first instruction.
func (b *bare) crash(ctx context.Context, kills int) ([]time.Duration, error) {
	var all []time.Duration
	for k := range kills {
		slot := victim(k, len(b.slots))
		begin, err := now()
		if err != nil {
			return nil, err
		}
		if err := b.end(slot, syscall.SIGKILL); err != nil {
			return nil, err
		}
		if err := b.fork(slot, b.null); err != nil {
			return nil, err
		}
		r, err := b.set.stamps.expect(ctx, childStarted)
		if err != nil {
			return nil, err
		}
		all = append(all, r.at-begin)
	}
	return all, nil
}

// victim spreads the kills over the children.
func victim(k, n int) int { return k * 7 % n }

// end sends a signal and waits for the end. It holds the pid until then, so the
// signal meets nobody else.
func (b *bare) end(slot int, sig syscall.Signal) error {
	pid := b.slots[slot]
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("kill pid %d: %w", pid, err)
	}
	return b.reap(slot)
}

func (b *bare) reap(slot int) error {
	for {
		_, err := syscall.Wait4(b.slots[slot], nil, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		b.slots[slot] = 0
		return err
	}
}

// stop ends all children and returns how long that took.
func (b *bare) stop() (time.Duration, error) {
	begin := time.Now()
	var errs []error
	for _, pid := range b.slots {
		if pid != 0 {
			errs = append(errs, syscall.Kill(pid, syscall.SIGTERM))
		}
	}
	for slot, pid := range b.slots {
		if pid != 0 {
			errs = append(errs, b.reap(slot))
		}
	}
	return time.Since(begin), errors.Join(errs...)
}

// close ends what still runs.
func (b *bare) close() error {
	var errs []error
	for slot, pid := range b.slots {
		if pid != 0 {
			errs = append(errs, b.end(slot, syscall.SIGKILL))
		}
	}
	return errors.Join(append(errs, b.null.Close())...)
}

// copyLoop has a child print its lines into a pipe and copies them to a file, 64 KiB
// at a time. It returns how long that took from the child's begin to print.
func copyLoop(ctx context.Context, s *set) (took time.Duration, err error) {
	b := &bare{set: s, slots: make([]int, 1)}
	if b.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	err = b.fork(0, w)
	if err := errors.Join(err, w.Close()); err != nil {
		return 0, err
	}
	if _, err := s.stamps.expect(ctx, childStarted); err != nil {
		return 0, err
	}
	path := filepath.Join(s.home, "copy")
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(path)) }()
	if err := r.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if err := syscall.Kill(b.slots[0], syscall.SIGUSR2); err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for left := printedLines * lineSize; left > 0; {
		n, err := r.Read(buf)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, fmt.Errorf("bare copy: %w", err)
		}
		if _, err := f.Write(buf[:n]); err != nil {
			return 0, err
		}
		left -= n
	}
	end, err := now()
	if err != nil {
		return 0, err
	}
	rec, err := s.stamps.expect(ctx, childPrinting)
	return end - rec.at, err
}
