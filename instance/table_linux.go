package instance

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// table is the table of descriptors of the thread that forks. A child begins with
// a copy of its parent's, of which it closes all but what it is given, and a
// supervisor of hundreds has some open for each of them: the copies of the others
// would be a quarter of the price of a start. So that thread has a table of its
// own where the system lets it, with next to nothing in it, and what a child is to
// have comes through a door.
//
// It belongs to one thread. Nothing of package os may be used on it but what is
// opened and closed there, and nothing that is waited for.
type table struct {
	null  int              // os.DevNull
	in    int              // where files come in; -1: this is the table of the process, which has them
	early map[uint64][]int // that came before they were asked for, by ticket

	control [1024]byte // for what comes beside a message, which maxFiles fit in
}

// sharedTable is the table of the process.
func sharedTable() (*table, error) {
	t := &table{in: -1}
	return t, t.openNull()
}

// errNoPoller says that the runtime keeps its poller in a way that we do not know.
var errNoPoller = errors.New("the poller of the Go runtime was not found")

// ownTable gives the calling thread a table of its own, with the inner end of a door in
// it. The goroutine is to stay locked to the thread until both end, also when it
// fails. It must not be the first thread of the process, whose table is what others see
// as that of the process.
func ownTable(in int) (*table, error) {
	// A collection that begins on this thread looks into the runtime's poller, which is made when it is first used.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(r.Close(), w.Close()); err != nil {
		return nil, err
	}
	if err := unix.Unshare(unix.CLONE_FILES); err != nil { // some containers forbid it
		return nil, fmt.Errorf("table of descriptors: %w", err)
	}
	t := &table{in: in, early: map[uint64][]int{}}
	if err := t.clear(); err != nil {
		return nil, err
	}
	return t, t.openNull()
}

// clear closes all but the standard ones, the door and what the runtime needs on every thread.
func (t *table) clear() error {
	const dir = "/proc/thread-self/fd"
	self, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	defer unix.Close(self)
	var names []string
	buf := make([]byte, 8<<10)
	for {
		n, err := unix.ReadDirent(self, buf)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		if n <= 0 {
			break
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
	kept := map[string]bool{}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= 2 || fd == self || fd == t.in {
			continue
		}
		if what := pollerPart(self, name, fd); what != "" {
			kept[what] = true
			continue
		}
		_ = unix.Close(fd) // the process has it open
	}
	if len(kept) != len(pollerParts) {
		return errNoPoller
	}
	return nil
}

var pollerParts = []string{"anon_inode:[eventpoll]", "anon_inode:[eventfd]"}

// pollerPart tells which part of a poller a descriptor may be, "" if none. Not all of
// them are the runtime's; the others do no harm.
func pollerPart(dir int, name string, fd int) string {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != 0 {
		return "" // most are files and sockets, which this tells for less
	}
	var buf [64]byte
	n, err := unix.Readlinkat(dir, name, buf[:])
	if err != nil {
		return ""
	}
	for _, p := range pollerParts {
		if string(buf[:n]) == p {
			return p
		}
	}
	return ""
}

func (t *table) openNull() (err error) {
	if t.null, err = unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("%s: %w", os.DevNull, err)
	}
	return nil
}

// close gives back what the table has of its own.
func (t *table) close() {
	_ = unix.Close(t.null) // nothing was written through it
	if t.in >= 0 {
		_ = unix.Close(t.in)
	}
	for _, fds := range t.early {
		closeFDs(fds)
	}
}

// parcel is files on their way to the thread that forks. It keeps them open until then.
type parcel struct {
	files   []*os.File
	tickets []uint64 // by which the door lets them in; none where it needs no door
}

// fetch makes the files of a parcel ones of the table, under any numbers, which it
// returns. done undoes that.
func (t *table) fetch(p parcel) (fds []int, done func(), err error) {
	defer runtime.KeepAlive(p)
	if t.in < 0 {
		fds, err = numbers(p.files)
		return fds, func() {}, err
	}
	for _, ticket := range p.tickets {
		got, err := t.receive(ticket)
		if err != nil {
			closeFDs(fds)
			return nil, nil, err
		}
		if fds == nil {
			fds = got // nearly always all
		} else {
			fds = append(fds, got...)
		}
	}
	if len(fds) != len(p.files) { // as when the limit of open files is reached
		closeFDs(fds)
		return nil, nil, fmt.Errorf("%d of %d files came to the thread that starts children", len(fds), len(p.files))
	}
	return fds, func() { closeFDs(fds) }, nil
}

// fetchAs is fetch with the numbers that the files have in the table of the process.
func (t *table) fetchAs(p parcel) (fds []int, done func(), err error) {
	wanted, err := numbers(p.files)
	if err != nil {
		return nil, nil, err
	}
	got, done, err := t.fetch(p)
	if err != nil || t.in < 0 {
		return got, done, err
	}
	top := slices.Max(append(wanted, 2))
	for _, own := range []*int{&t.in, &t.null} {
		err = errors.Join(err, moveAbove(top, own))
	}
	for _, fds := range slices.AppendSeq([][]int{got}, maps.Values(t.early)) {
		for i := range fds {
			err = errors.Join(err, moveAbove(top, &fds[i]))
		}
	}
	for i, n := range wanted {
		if err == nil {
			err = os.NewSyscallError("dup3", unix.Dup3(got[i], n, unix.O_CLOEXEC))
		}
	}
	done()
	if err != nil {
		closeFDs(wanted) // below top there is nothing else by now
		return nil, nil, err
	}
	return wanted, func() { closeFDs(wanted) }, nil
}

// moveAbove gives a descriptor a number above top.
func moveAbove(top int, fd *int) error {
	moved, err := unix.FcntlInt(uintptr(*fd), unix.F_DUPFD_CLOEXEC, top+1)
	if err != nil {
		return fmt.Errorf("move descriptor %d: %w", *fd, err)
	}
	_ = unix.Close(*fd)
	*fd = moved
	return nil
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd) // the process has them open
	}
}

func numbers(files []*os.File) ([]int, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		var err error
		if fds[i], err = number(f); err != nil {
			return nil, err
		}
	}
	return fds, nil
}

// number is the descriptor of a file in the table of the process. Unlike Fd, it leaves the
// file non-blocking.
func number(file *os.File) (int, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return -1, err
	}
	n := -1
	err = raw.Control(func(fd uintptr) { n = int(fd) })
	return n, err
}
