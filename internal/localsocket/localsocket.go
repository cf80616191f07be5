// Package localsocket owns unix sockets that lie in a directory of their owner:
// how one is made there and found again, however long the directory's path is.
// Who may say what on one is for its server to decide.
package localsocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// MaxPath is what every system we run on takes for the path of a unix socket, in bytes.
const MaxPath = 100

// ErrTooLong says that this system takes no socket in a directory with so long a path.
var ErrTooLong = errors.New("the path is too long for a socket")

// Listen makes the socket name in dir, with mode 0600. One that is there is replaced:
// the caller knows that nobody else may listen in this directory. Closing the listener
// removes the socket.
func Listen(dir, name string) (net.Listener, error) {
	path := filepath.Join(dir, name)
	fail := func(err error) (net.Listener, error) { return nil, fmt.Errorf("socket %s: %w", path, err) }
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	short, done, err := shorten(dir, name)
	if err != nil {
		return fail(err)
	}
	defer done()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return fail(err)
	}
	l.SetUnlinkOnClose(false) // the short path means nothing once it is done with
	made := &listener{l, path}
	if err := os.Chmod(path, 0o600); err != nil {
		return fail(errors.Join(err, made.Close()))
	}
	return made, nil
}

// Dial connects to the socket name in dir.
func Dial(ctx context.Context, dir, name string) (net.Conn, error) {
	short, done, err := shorten(dir, name)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", filepath.Join(dir, name), err)
	}
	defer done()
	return new(net.Dialer).DialContext(ctx, "unix", short)
}

// shorten is a path of the socket that the system takes, valid until done is called.
func shorten(dir, name string) (path string, done func(), err error) {
	if path := filepath.Join(dir, name); len(path) <= MaxPath {
		return path, func() {}, nil
	}
	return byDescriptor(dir, name)
}

type listener struct {
	*net.UnixListener
	path string
}

func (l *listener) Close() error {
	err := l.UnixListener.Close()
	if gone := os.Remove(l.path); err == nil && !errors.Is(gone, fs.ErrNotExist) {
		err = gone
	}
	return err
}
