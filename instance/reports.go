package instance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/coderclaw/coderclaw/internal/sdnotify"
)

// Reports takes the word of the children of many instances that they are ready, on
// one socket. A child is known by the random id of its start. Methods are safe for
// concurrent use.
type Reports struct {
	places func() []string

	mu       sync.Mutex // guards what follows
	expected map[string]chan struct{}
	socket   *sdnotify.Socket // nil before the first start
	path     string
	inode    os.FileInfo // of the socket's file; nil when it was not there
	paused   bool
	quit     context.CancelFunc // ends the listener; nil when none runs
	listener sync.WaitGroup
}

// NewReports returns one whose socket is made before the first start, at the first
// of places where that is possible. They are asked for again when the file of the
// socket has gone.
func NewReports(places func() []string) *Reports {
	return &Reports{places: places, expected: map[string]chan struct{}{}}
}

// Run returns when ctx has ended, which is to be when no instance runs any more.
// The socket is gone then.
func (r *Reports) Run(ctx context.Context) error {
	<-ctx.Done()
	defer r.listener.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closeLocked()
}

// Adopt goes on with the socket that a predecessor had at path. It closes f. What
// has come is read from Resume on, so children that are already there are to be
// expected before.
func (r *Reports) Adopt(path string, f *os.File) error {
	socket, err := sdnotify.Adopt(path, f)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inode, _ = os.Stat(path) // one that is not there is made anew before the next start
	r.socket, r.path, r.paused = socket, path, true
	return nil
}

// Expect returns what is closed when the child with that id has said that it is
// ready. Reports of ids that nobody expects are dropped.
func (r *Reports) Expect(id string) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.expected[id]
	if c == nil {
		c = make(chan struct{})
		r.expected[id] = c
	}
	return c
}

// Forget ends what Expect began.
func (r *Reports) Forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.expected, id)
}

// came takes note of a report.
func (r *Reports) came(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.expected[id]
	if c == nil {
		return
	}
	select {
	case <-c: // it says so twice
	default:
		close(c)
	}
}

// Ensure makes sure that children can report and returns the path of the socket.
// One whose file somebody has removed is made anew: no child would ever be ready
// without it.
func (r *Reports) Ensure() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.socket != nil && r.ownLocked() {
		return r.path, nil
	}
	if err := r.closeLocked(); err != nil {
		return "", err
	}
	var failed error
	for _, path := range r.places() {
		err := r.openLocked(path)
		if err == nil {
			return path, nil
		}
		failed = cmp.Or(failed, err) // the first place is where it belongs
	}
	return "", cmp.Or(failed, errors.New("notify socket: there is no place for it"))
}

func (r *Reports) openLocked(path string) error {
	socket, err := sdnotify.Listen(path)
	if err != nil {
		return err
	}
	inode, err := os.Stat(path)
	if err != nil {
		return errors.Join(err, socket.Close())
	}
	r.socket, r.path, r.inode = socket, path, inode
	r.listenLocked()
	return nil
}

// ownLocked tells whether the file at the path is that of the socket.
func (r *Reports) ownLocked() bool {
	now, err := os.Stat(r.path)
	return err == nil && r.inode != nil && os.SameFile(now, r.inode)
}

// Pause stops taking reports until Resume. Those that come meanwhile wait in the socket.
func (r *Reports) Pause() {
	r.mu.Lock()
	r.paused = true
	quit := r.quit
	r.quit = nil
	r.mu.Unlock()
	if quit != nil {
		quit()
	}
	r.listener.Wait()
}

// Resume begins to take reports, after Adopt or Pause.
func (r *Reports) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = false
	r.listenLocked()
}

// File is a second descriptor of the socket and its path, for a successor; nil
// when there is none yet. The caller closes it.
func (r *Reports) File() (*os.File, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.socket == nil {
		return nil, "", nil
	}
	f, err := r.socket.File()
	return f, r.path, err
}

func (r *Reports) listenLocked() {
	if r.paused || r.quit != nil || r.socket == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.quit = cancel
	socket := r.socket
	r.listener.Go(func() {
		for {
			n, err := socket.Recv(ctx)
			if err != nil {
				return
			}
			if n["READY"] == "1" {
				r.came(n["X_CODERCLAW_INSTANCE"])
			}
		}
	})
}

// closeLocked closes the socket. A file at its path that is another's stays.
func (r *Reports) closeLocked() error {
	if r.socket == nil {
		return nil
	}
	if r.quit != nil {
		r.quit()
		r.quit = nil
	}
	closing := r.socket.Close
	if !r.ownLocked() {
		closing = r.socket.Leave
	}
	r.socket = nil
	if err := closing(); err != nil {
		return fmt.Errorf("notify socket: %w", err)
	}
	return nil
}
