package supervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// maxSocketPath is what every system we run on takes for the path of a unix socket.
const maxSocketPath = 100

// systemTemp is the temporary directory where that of the environment has too
// long a name as well. No shorter one exists.
const systemTemp = "/tmp"

// socketPath is where a socket of the profile with this state dir lies: in the
// state dir, or where that path is too long, in a private directory below a
// temporary one.
func (s *Supervisor) socketPath(stateDir, name string) (string, error) {
	path := filepath.Join(stateDir, name)
	if len(path) <= maxSocketPath {
		return path, nil
	}
	sum := sha256.Sum256([]byte(path))
	name = hex.EncodeToString(sum[:8]) + "-" + name
	private := fmt.Sprintf("coderclaw-%d", os.Getuid())
	dir := filepath.Join(s.o.TempDir, private)
	if len(filepath.Join(dir, name)) > maxSocketPath {
		dir = filepath.Join(systemTemp, private)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("a place for %s, whose path is too long for a socket: %w", path, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if !ownPrivate(info, os.Getuid()) {
		return "", fmt.Errorf("%s is to hold sockets, but is not a directory of mode 0700 that belongs to %s; remove it", dir, me())
	}
	return filepath.Join(dir, name), nil
}

// notifyPaths are where the socket may lie on which children say that they are
// ready: in a state dir that is ours as long as we run its profile. That of one may
// be gone, which is not to keep the others down.
func (s *Supervisor) notifyPaths() []string {
	var out []string
	for _, u := range s.set.list() {
		if path, err := s.socketPath(u.profile.StateDir, "notify.sock"); err == nil {
			out = append(out, path)
		}
	}
	return out
}

// listenControl makes the control socket. One that is there belongs to a
// supervisor that is gone: we hold its lock. That of a predecessor goes on.
func (s *Supervisor) listenControl() (*net.UnixListener, error) {
	if in := s.o.Inherited; in != nil {
		if l, err := in.adoptControl(); l != nil || err != nil {
			return l, err
		}
	}
	path, err := s.socketPath(s.o.Profiles[0].StateDir, "supervisor.sock")
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), l.Close())
	}
	return l, nil
}
