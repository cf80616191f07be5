package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/coderclaw/coderclaw/internal/sdnotify"
)

// reports is where children say that they are ready.
type reports interface {
	// ensure makes sure that they can.
	ensure() error
	// pause stops taking reports. It returns the ids of children that were read and not
	// passed on, and the socket with what was not read; resume goes on.
	pause() (came []string, socket *os.File, err error)
	resume()
}

// receiver takes the reports of children that they are ready. It belongs to the
// goroutine of the instance.
type receiver struct {
	path  string
	ready chan<- string

	socket   *sdnotify.Socket
	inode    os.FileInfo        // of the socket's file
	quit     context.CancelFunc // ends the listener; nil while it is paused
	listener sync.WaitGroup
	came     []string // read by the listener, and nobody took it before its end
}

// adopt goes on with the socket of a predecessor.
func (r *receiver) adopt(f *os.File) error {
	socket, err := sdnotify.Adopt(r.path, f)
	if err != nil {
		return err
	}
	r.inode, _ = os.Stat(r.path) // one that is not there is made anew before the next start
	r.socket = socket
	r.resume()
	return nil
}

// ensure makes the socket, also anew when somebody has removed its file: no child
// would ever be ready without it.
func (r *receiver) ensure() error {
	if r.socket != nil {
		if now, err := os.Stat(r.path); err == nil && os.SameFile(now, r.inode) {
			return nil
		}
		if err := r.close(); err != nil {
			return err
		}
	}
	socket, err := sdnotify.Listen(r.path)
	if err != nil {
		return err
	}
	if r.inode, err = os.Stat(r.path); err != nil {
		return errors.Join(err, socket.Close())
	}
	r.socket = socket
	r.resume()
	return nil
}

func (r *receiver) resume() {
	if r.quit != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.quit, r.came = cancel, nil
	socket := r.socket
	r.listener.Go(func() { r.listen(ctx, socket) })
}

// listen passes on the ids of the children that report, until ctx ends.
func (r *receiver) listen(ctx context.Context, socket *sdnotify.Socket) {
	for {
		n, err := socket.Recv(ctx)
		if err != nil {
			return
		}
		if n["READY"] != "1" {
			continue
		}
		id := n["X_CODERCLAW_INSTANCE"]
		select {
		case r.ready <- id:
		case <-ctx.Done(): // whoever ends this may be the one who would take the report
			r.came = append(r.came, id)
			return
		}
	}
}

func (r *receiver) stop() {
	if r.quit == nil {
		return
	}
	r.quit()
	r.listener.Wait()
	r.quit = nil
}

func (r *receiver) pause() ([]string, *os.File, error) {
	r.stop()
	f, err := r.socket.File()
	return r.came, f, err
}

func (r *receiver) close() error {
	r.stop()
	err := r.socket.Close()
	r.socket = nil
	if err != nil {
		return fmt.Errorf("notify socket: %w", err)
	}
	return nil
}
