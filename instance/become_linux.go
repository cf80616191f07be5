package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

// CanBecome tells whether Become and Adopt can work on this system.
const CanBecome = true

// Image is the program that is to take the place of this one.
type Image struct {
	Path      string
	Args, Env []string
	Files     []*os.File // stay open in it, under the same numbers
}

type becomeRequest struct {
	image Image
	files parcel     // those of image
	done  chan error // holds one
}

// Become replaces the program of this process. The process stays what it is to
// all others: its children stay its children, and none of them is told that its
// parent has gone. It returns only when that has failed, and then nothing has changed.
//
// The kernel ends all other threads when one calls execve, and with a thread go
// the death signals of the children that it has forked. So the thread that forks
// is the one that calls it; it is the first one of the process afterwards, and
// adopted children are that one's. A forker that has adopted some can therefore be
// replaced again only when it runs on the first thread.
func (f *Forker) Become(image Image) error {
	select {
	case <-f.serving:
	case <-f.ended:
		return errEnded
	}
	files, arrived, err := f.door.send(image.Files)
	if err != nil {
		return err
	}
	defer arrived()
	r := becomeRequest{image, files, make(chan error, 1)}
	select {
	case f.becomes <- r:
	case <-f.ended:
		return errEnded
	}
	return <-r.done
}

// become is Become on the thread of the forker.
func (f *Forker) become(image Image, files parcel) error {
	if f.adopted.Load() && unix.Gettid() != unix.Getpid() {
		return errors.New("the thread that starts children is not the first one of the process, and adopted ones would be ended; restart it instead")
	}
	fds, done, err := f.table.fetchAs(files)
	if err != nil {
		return err
	}
	defer done()
	syscall.ForkLock.Lock() // so that no program that is started meanwhile inherits them
	defer syscall.ForkLock.Unlock()
	for _, fd := range fds {
		defer unix.CloseOnExec(fd)
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("pass on descriptor %d: %w", fd, err)
		}
	}
	// We would take a signal that comes now, and it would be lost with us. Held back, it meets the
	// successor, whose runtime lets it through before that can listen: it ends it, and its children
	// are told by their death signal.
	block()
	defer unblock()
	err = syscall.Exec(image.Path, image.Args, image.Env)
	runtime.KeepAlive(image)
	return fmt.Errorf("%s: %w", image.Path, err)
}

// ends are the signals by which the process is asked to end.
func ends() (set unix.Sigset_t) {
	for _, s := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM} {
		set.Val[0] |= 1 << (s - 1)
	}
	return set
}

func block() {
	set := ends()
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil) // cannot fail with these arguments
}

func unblock() {
	set := ends()
	_ = unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, nil) // nor this
}

// maxHunt is how many threads OnFirstThread holds at most: a program that has just
// started has a few.
const maxHunt = 32

// OnFirstThread calls fn on a goroutine that is locked to the first thread of the
// process, see Become, and returns when fn has. The main function of a program
// begins there, but may have been moved by the time it can lock its thread. It must
// be called before much else goes on, when no other goroutine can hold that thread
// for long. Where the thread is not found fn is called nevertheless.
func OnFirstThread(fn func()) { onFirstThread(fn, maxHunt) }

func onFirstThread(fn func(), more int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if more == 0 || unix.Gettid() == unix.Getpid() {
		fn()
		return
	}
	done := make(chan struct{})
	go func() { // on another thread than this one, which waits
		defer close(done)
		onFirstThread(fn, more-1)
	}()
	<-done
}

// Adopt takes over a child of the program that was here before, see Become. A
// child that has ended meanwhile counts; one that is not there is fs.ErrNotExist.
// startTime is what proctable told of it. It must be called before Run.
func (f *Forker) Adopt(pid int, startTime uint64) (Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		err = fs.ErrNotExist
	}
	if err == nil {
		err = ours(fd)
	}
	// A child keeps its number until it is reaped, and shows no start time once it has ended.
	if got, serr := proctable.StartTime(pid); err == nil && serr == nil && got != startTime {
		err = fs.ErrNotExist
	}
	if err != nil {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		return nil, fmt.Errorf("adopt pid %d: %w", pid, err)
	}
	f.adopted.Store(true)
	return f.held(pid, fd), nil
}

// ours tells whether a pidfd is of a child of this process that was not reaped yet.
func ours(fd int) error {
	err := ignoringEINTR(func() error {
		return unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	})
	if errors.Is(err, unix.ECHILD) {
		return fs.ErrNotExist
	}
	return err
}
