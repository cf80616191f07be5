package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/coderclaw/coderclaw/internal/sdnotify"
)

// receiver takes the reports of children that they are ready. It belongs to the
// goroutine of the instance.
type receiver struct {
	path  string
	ready chan<- string

	socket   *sdnotify.Socket
	inode    os.FileInfo   // of the socket's file
	quit     chan struct{} // closed with the socket
	listener sync.WaitGroup
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
	r.socket, r.quit = socket, make(chan struct{})
	r.listener.Go(func() { r.listen(socket, r.quit) })
	return nil
}

// listen passes on the ids of the children that report, until the socket is closed.
func (r *receiver) listen(socket *sdnotify.Socket, quit <-chan struct{}) {
	for {
		n, err := socket.Recv(context.Background()) // until the socket is closed there is nothing to cancel
		if err != nil {
			return
		}
		if n["READY"] != "1" {
			continue
		}
		select {
		case r.ready <- n["X_CODERCLAW_INSTANCE"]:
		case <-quit: // whoever closes the socket may be the one who would take the report
			return
		}
	}
}

func (r *receiver) close() error {
	close(r.quit)
	err := r.socket.Close()
	r.listener.Wait()
	r.socket = nil
	if err != nil {
		return fmt.Errorf("notify socket: %w", err)
	}
	return nil
}
