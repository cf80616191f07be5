// Package sshtunnel owns a way to a port on another machine through the ssh program
// of this one, so that the user's own keys, agent and config count. It speaks no SSH
// itself, asks nobody for anything, and stores no key of a host.
package sshtunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/internal/localsocket"
)

// Options says where the tunnel goes.
type Options struct {
	Target   Target
	Identity string // file of the key to show, "" for those that ssh would
	Port     int    // on the loopback of the target
	Program  string // "" for ssh of the PATH
}

// Tunnel is a running ssh. Its methods are safe for concurrent use.
type Tunnel struct {
	cmd    *exec.Cmd
	dir    string // of the socket, "" where a port is used
	local  end
	exited chan struct{} // closed when ssh has ended and been waited for
	said   *tail         // of its stderr, not to be read before exited is closed
}

// end is where ssh listens on this machine.
type end struct{ network, address string }

const (
	pollEvery = 10 * time.Millisecond // while ssh logs in
	endWait   = time.Second           // for ssh to end when it is told to
	maxSaid   = 4 << 10               // bytes of stderr that are kept
)

// Open starts ssh and returns once the tunnel stands. ctx bounds only that; the
// tunnel lives until Close. The error holds what ssh said.
func Open(ctx context.Context, o Options) (*Tunnel, error) {
	return open(ctx, o, usesSocket)
}

func open(ctx context.Context, o Options, socket bool) (*Tunnel, error) {
	program := o.Program
	if program == "" {
		program = "ssh"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("ssh to %s: %w; install an OpenSSH client", o.Target, err)
	}
	t := &Tunnel{exited: make(chan struct{}), said: &tail{max: maxSaid}}
	if socket {
		err = t.pickSocket()
	} else {
		err = t.pickPort()
	}
	if err != nil {
		return nil, fmt.Errorf("ssh to %s: %w", o.Target, err)
	}
	t.cmd = exec.Command(path, arguments(o, t.local)...)
	t.cmd.Stderr = t.said
	t.cmd.SysProcAttr = attributes()
	t.cmd.WaitDelay = endWait
	started := make(chan error)
	go t.run(started)
	if err := <-started; err != nil {
		t.clean()
		return nil, fmt.Errorf("ssh to %s: %w", o.Target, err)
	}
	if err := t.stands(ctx); err != nil {
		t.Close()
		return nil, fmt.Errorf("ssh to %s: %w%s", o.Target, err, t.reason())
	}
	return t, nil
}

func (t *Tunnel) startAndWait(started chan<- error) {
	err := t.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	_ = t.cmd.Wait() // what matters of its end stands in its stderr
	close(t.exited)
}

// arguments are those of ssh. Nothing is asked for, and a host whose key is not
// known yet is refused: the credential of a gateway goes through the tunnel while
// nobody looks, so the first contact must have been made by a person.
func arguments(o Options, local end) []string {
	args := []string{"-N", "-T",
		"-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no",
		"-o", "ForwardAgent=no", "-o", "ForwardX11=no", "-o", "PermitLocalCommand=no", "-o", "ControlMaster=no", "-o", "ControlPath=none",
		"-o", "StreamLocalBindMask=0177", "-L", local.address + ":127.0.0.1:" + strconv.Itoa(o.Port)}
	if o.Target.Port != 0 {
		args = append(args, "-p", strconv.Itoa(o.Target.Port))
	}
	if o.Target.User != "" {
		args = append(args, "-l", o.Target.User)
	}
	if o.Identity != "" {
		args = append(args, "-i", o.Identity, "-o", "IdentitiesOnly=yes")
	}
	return append(args, "--", o.Target.Host)
}

// pickSocket chooses a socket that only this user can reach, so that nobody can
// listen in the place of ssh.
func (t *Tunnel) pickSocket() error {
	dir, err := os.MkdirTemp("", "ssh")
	if err == nil && len(filepath.Join(dir, "s")) > localsocket.MaxPath {
		_ = os.Remove(dir) // it is empty
		dir, err = os.MkdirTemp("/tmp", "ssh")
	}
	if err != nil {
		return fmt.Errorf("directory for the tunnel: %w", err)
	}
	t.dir = dir
	t.local = end{"unix", filepath.Join(dir, "s")}
	return nil
}

// pickPort chooses a free port of the loopback, where there are no sockets.
func (t *Tunnel) pickPort() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("port for the tunnel: %w", err)
	}
	t.local = end{"tcp", l.Addr().String()}
	return l.Close()
}

// stands waits until ssh listens.
func (t *Tunnel) stands(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if c, err := t.Dial(ctx); err == nil {
			return c.Close()
		}
		select {
		case <-t.exited:
			return errors.New("it ended before the tunnel stood")
		case <-ctx.Done():
			return fmt.Errorf("the tunnel did not stand in time: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// Dial connects to the far end.
func (t *Tunnel) Dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, t.local.network, t.local.address)
}

// Close ends ssh and waits for it.
func (t *Tunnel) Close() {
	select {
	case <-t.exited:
	default:
		terminate(t.cmd.Process)
		timer := time.NewTimer(endWait)
		defer timer.Stop()
		select {
		case <-t.exited:
		case <-timer.C:
			_ = t.cmd.Process.Kill() // it may just have ended
			<-t.exited
		}
	}
	t.clean()
}

func (t *Tunnel) clean() {
	if t.dir != "" {
		_ = os.RemoveAll(t.dir) // at worst an empty directory is left
	}
}

// Said is what ssh wrote to its stderr, for people. It is empty until Close.
func (t *Tunnel) Said() string {
	select {
	case <-t.exited:
		return strings.TrimSpace(t.said.text.String())
	default:
		return ""
	}
}

// reason adds what ssh said to an error.
func (t *Tunnel) reason() string {
	said := t.Said()
	if said == "" {
		return ""
	}
	if strings.Contains(said, "Host key verification failed") {
		said += "\nconnect once by hand and look at the fingerprint, then try again"
	}
	return ": " + said
}

// tail keeps the end of what is written to it.
type tail struct {
	text bytes.Buffer
	max  int
}

func (t *tail) Write(p []byte) (int, error) {
	t.text.Write(p)
	if over := t.text.Len() - t.max; over > 0 {
		t.text.Next(over)
	}
	return len(p), nil
}
