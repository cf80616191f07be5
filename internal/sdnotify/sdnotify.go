// Package sdnotify owns the receiving half of systemd's notify protocol: a
// datagram socket on which children say READY=1 and the like, see sd_notify(3).
// It decides nothing about what is said.
package sdnotify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"
)

// maxPath is what sun_path holds on the systems we run on, less the final zero.
const maxPath = 103

// maxDatagram bounds one notification; systemd's own limit is 4 KiB.
const maxDatagram = 4096

// Socket receives notifications. Recv is for one goroutine at a time.
type Socket struct {
	path string
	conn *net.UnixConn
}

// Listen makes a socket at path, mode 0600. A socket that is there already is
// replaced: the caller is to know that nobody listens on it any more.
func Listen(path string) (*Socket, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("notify socket %s: the path is longer than %d bytes", path, maxPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("notify socket: %w", err), conn.Close())
	}
	return &Socket{path: path, conn: conn}, nil
}

// Adopt goes on with the socket at path that an earlier program made, see File.
// It closes f.
func Adopt(path string, f *os.File) (*Socket, error) {
	conn, err := net.FilePacketConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("notify socket %s: %w", path, err)
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("notify socket %s: it is a %s socket", path, conn.LocalAddr().Network()), conn.Close())
	}
	return &Socket{path: path, conn: unix}, nil
}

// File is a second descriptor of the socket, with all that has come and was not
// received. The caller closes it.
func (s *Socket) File() (*os.File, error) {
	f, err := s.conn.File()
	if err != nil {
		return nil, fmt.Errorf("notify socket %s: %w", s.path, err)
	}
	return f, nil
}

// Recv waits for one notification and returns its assignments. It ends with the
// cause of ctx, or with net.ErrClosed after Close. What has come is not lost when
// ctx ends: it is returned, or stays for the next call.
func (s *Socket) Recv(ctx context.Context) (map[string]string, error) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // a closed socket needs none
	})
	defer func() {
		if !stop() {
			<-interrupted
			_ = s.conn.SetReadDeadline(time.Time{}) // nor here
		}
	}()
	buf := make([]byte, maxDatagram)
	n, err := s.conn.Read(buf)
	switch {
	case err == nil:
		return parse(string(buf[:n])), nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, err
}

// parse reads KEY=VALUE lines; of a repeated key the last counts.
func parse(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		if key, value, ok := strings.Cut(line, "="); ok && key != "" {
			out[key] = value
		}
	}
	return out
}

// Leave ends Recv and leaves whatever is at the path.
func (s *Socket) Leave() error { return s.conn.Close() }

// Close ends Recv and removes the socket.
func (s *Socket) Close() error {
	err := s.conn.Close()
	if rm := os.Remove(s.path); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}

// Send is the other half: it sends the lines as one notification. A path that
// starts with "@" names an abstract socket.
func Send(path string, lines ...string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	return errors.Join(err, conn.Close())
}
