package instance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// door is how files of the process come into a table that is not that of the
// process. Methods are safe for concurrent use.
type door struct {
	out  *os.File        // the outer end of a pair of sockets
	raw  syscall.RawConn // of out
	last atomic.Uint64
	room chan struct{} // holds one for each parcel on its way: what the sockets hold is bounded
}

// maxOnWay is enough for the forking thread never to wait.
const maxOnWay = 16

// maxFiles is how many files the kernel takes in one message (SCM_MAX_FD, 253).
const maxFiles = 250

// sizeofFD is that of a descriptor in a message, a C int.
const sizeofFD = 4

// newDoor also returns the inner end, a descriptor.
func newDoor() (d *door, in int, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("pair of sockets: %w", err)
	}
	d = &door{out: os.NewFile(uintptr(ends[0]), "door"), room: make(chan struct{}, maxOnWay)}
	if d.raw, err = d.out.SyscallConn(); err != nil {
		return nil, -1, errors.Join(err, d.out.Close(), unix.Close(ends[1]))
	}
	return d, ends[1], nil
}

func (d *door) close() { _ = d.out.Close() }

// send puts files on their way; arrived is to be called when that has ended. A nil
// door lets all through.
func (d *door) send(files []*os.File) (p parcel, arrived func(), err error) {
	p.files = files
	if d == nil {
		return p, func() {}, nil
	}
	fds, err := numbers(files)
	if err != nil {
		return p, nil, err
	}
	d.room <- struct{}{}
	arrived = func() { <-d.room }
	for part := range slices.Chunk(fds, maxFiles) {
		ticket := d.last.Add(1)
		p.tickets = append(p.tickets, ticket)
		var failed error
		err := d.raw.Control(func(out uintptr) {
			failed = ignoringEINTR(func() error {
				return unix.Sendmsg(int(out), binary.NativeEndian.AppendUint64(nil, ticket), unix.UnixRights(part...), nil, unix.MSG_NOSIGNAL)
			})
		})
		if err := errors.Join(err, failed); err != nil {
			arrived()
			if errors.Is(err, os.ErrClosed) || errors.Is(err, unix.EPIPE) {
				err = errEnded
			}
			return p, nil, fmt.Errorf("pass files to the thread that starts children: %w", err)
		}
	}
	return p, arrived, nil
}

// receive returns the files that were sent with a ticket, and have come.
func (t *table) receive(ticket uint64) ([]int, error) {
	for {
		if fds, ok := t.early[ticket]; ok {
			delete(t.early, ticket)
			return fds, nil
		}
		var number [8]byte
		var n, cn int
		err := ignoringEINTR(func() (err error) {
			n, cn, _, _, err = unix.Recvmsg(t.in, number[:], t.control[:], unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
			return err
		})
		if err == nil && n != len(number) {
			err = errEnded // the outer end is closed
		}
		var fds []int
		if err == nil {
			fds, err = rights(t.control[:cn])
		}
		if err != nil {
			return nil, fmt.Errorf("receive files: %w", err)
		}
		came := binary.NativeEndian.Uint64(number[:])
		if came == ticket { // nearly always
			return fds, nil
		}
		t.early[came] = fds
	}
}

// rights are the descriptors in what came beside a message.
func rights(control []byte) (fds []int, err error) {
	if len(control) == 0 { // as when the limit of open files is reached
		return nil, nil
	}
	_, data, _, err := unix.ParseOneSocketControlMessage(control) // nothing else is sent
	fds = make([]int, 0, len(data)/sizeofFD)
	for ; len(data) >= sizeofFD; data = data[sizeofFD:] {
		fds = append(fds, int(binary.NativeEndian.Uint32(data)))
	}
	return fds, err
}
