//go:build linux

package supbench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// kind says what a record reports.
type kind uint32

const (
	childStarted  kind = 1 // value 0
	childPrinting kind = 2 // value 0
	allReady      kind = 3 // value: restarts of all instances so far
	allStored     kind = 4 // the last line has been given to the log; value 0
)

// record is what a child or the supervisor reports, with the time at which it
// was so and not that at which it was read. Children write the same bytes, see
// child.c.
type record struct {
	at    time.Duration // of CLOCK_MONOTONIC, which all processes share
	pid   int
	kind  kind
	value int
}

const recordSize = 24

func (r record) bytes() []byte {
	b := binary.NativeEndian.AppendUint64(make([]byte, 0, recordSize), uint64(r.at))
	b = binary.NativeEndian.AppendUint32(b, uint32(r.pid))
	b = binary.NativeEndian.AppendUint32(b, uint32(r.kind))
	return binary.NativeEndian.AppendUint64(b, uint64(r.value))
}

// now reads the clock of records.
func now() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0, fmt.Errorf("CLOCK_MONOTONIC: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// records reads from a pipe. The pipe is kept from the runtime's poller, which
// would wake up for each record that is written: what is measured shares two or
// four processors with its measurer.
type records struct {
	fd   int
	rest []byte
}

// patience bounds every wait.
const patience = 20 * time.Second

// next waits for the next record.
func (r *records) next(ctx context.Context) (record, error) {
	end := time.Now().Add(patience)
	for len(r.rest) < recordSize {
		if err := ctx.Err(); err != nil {
			return record{}, err
		}
		if time.Now().After(end) {
			return record{}, fmt.Errorf("no report within %s", patience)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}, 100) // ms; it looks at ctx so often
		if n == 0 || errors.Is(err, unix.EINTR) {
			continue
		}
		buf := make([]byte, 4096)
		if n, err = unix.Read(r.fd, buf); errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil {
			return record{}, fmt.Errorf("read reports: %w", err)
		}
		if n == 0 {
			return record{}, errors.New("the supervisor ended")
		}
		r.rest = append(r.rest, buf[:n]...)
	}
	b := r.rest[:recordSize]
	r.rest = r.rest[recordSize:]
	return record{at: time.Duration(binary.NativeEndian.Uint64(b)), pid: int(binary.NativeEndian.Uint32(b[8:])),
		kind: kind(binary.NativeEndian.Uint32(b[12:])), value: int(binary.NativeEndian.Uint64(b[16:]))}, nil
}

// expect waits for a record of one kind, which must come next.
func (r *records) expect(ctx context.Context, k kind) (record, error) {
	rec, err := r.next(ctx)
	if err == nil && rec.kind != k {
		err = fmt.Errorf("pid %d reported %d instead of %d: a child runs that nobody started", rec.pid, rec.kind, k)
	}
	return rec, err
}

// lastOf waits for n children to start, and returns when the last one did and all pids.
func (r *records) lastOf(ctx context.Context, n int) (last time.Duration, pids []int, err error) {
	for range n {
		rec, err := r.expect(ctx, childStarted)
		if err != nil {
			return 0, nil, fmt.Errorf("%d of %d children have started: %w", len(pids), n, err)
		}
		last = max(last, rec.at)
		pids = append(pids, rec.pid)
	}
	return last, pids, nil
}
