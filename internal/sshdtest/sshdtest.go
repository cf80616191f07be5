// Package sshdtest owns a real SSH server for tests: the sshd of the system, run as
// an ordinary process on a loopback port of its own, with keys and a login that
// exist for one test. Nothing of the machine's own ssh is read or changed.
package sshdtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coderclaw/coderclaw/internal/programtest"
)

// Server is a running sshd and a client's side that fits it.
type Server struct {
	Port     int
	User     string // who can log in
	Identity string // file of the key that logs in
	// Program is an ssh that reads no config and knows no hosts but those of the
	// test, in a directory that holds nothing else, to stand first in a PATH.
	Program string
	dir     string

	mu     sync.Mutex // guards what follows
	logins []*exec.Cmd
}

// Start runs a server until the test ends. Without sshd the test fails in CI and is
// skipped elsewhere.
func Start(t testing.TB) *Server {
	t.Helper()
	sshd := need(t, "sshd")
	keygen := need(t, "ssh-keygen")
	ssh := need(t, "ssh")
	me, err := account()
	check(t, err)
	dir, err := os.MkdirTemp("", "sshd")
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	s := &Server{User: me.name, Identity: filepath.Join(dir, "id"), Program: filepath.Join(dir, "bin", "ssh"), dir: dir}
	check(t, os.Mkdir(filepath.Dir(s.Program), 0o755))
	for _, key := range []string{"host", "id"} {
		out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", filepath.Join(dir, key)).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	check(t, err)
	s.Port = l.Addr().(*net.TCPAddr).Port
	s.write(t, "authorized", s.read(t, "id.pub"), 0o644)
	s.write(t, "sshd_config", strings.Join([]string{
		"HostKey " + filepath.Join(dir, "host"), "AuthorizedKeysFile " + filepath.Join(dir, "authorized"), "PidFile none",
		"UsePAM yes", "StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "AllowTcpForwarding yes", "LogLevel VERBOSE", "",
	}, "\n"), 0o644)
	s.write(t, "known", "", 0o644)
	s.write(t, "ssh_config", strings.Join([]string{
		"UserKnownHostsFile " + filepath.Join(dir, "known"), "GlobalKnownHostsFile none", "IdentityAgent none", "IdentityFile none", "",
	}, "\n"), 0o644)
	programtest.Write(t, filepath.Join(dir, "bin", "ssh"), fmt.Appendf(nil, "#!/bin/sh\nexec %q -F %q \"$@\"\n", ssh, filepath.Join(dir, "ssh_config")))
	check(t, me.own(dir, "host", "authorized", "sshd_config"))

	var done sync.WaitGroup
	done.Go(func() { s.accept(l, sshd, me) })
	t.Cleanup(func() {
		_ = l.Close() // it ends accept
		done.Wait()
		s.end()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log")) // there is none before the first login
			t.Logf("sshd said:\n%s", log)
		}
	})
	return s
}

// Know makes the client know the server, as a person does who has been there.
func (s *Server) Know(t testing.TB) {
	t.Helper()
	s.write(t, "known", fmt.Sprintf("[127.0.0.1]:%d %s", s.Port, s.read(t, "host.pub")), 0o644)
}

// Target is the server as a person writes it.
func (s *Server) Target() string { return fmt.Sprintf("%s@127.0.0.1:%d", s.User, s.Port) }

// accept gives every connection an sshd of its own, so that no port is free for a
// moment between its choice and its use.
func (s *Server) accept(l net.Listener, sshd string, me login) {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return // every login fails then, and so does the test
	}
	defer log.Close()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		f, err := c.(*net.TCPConn).File()
		if err == nil {
			cmd := exec.Command(sshd, "-i", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
			cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = f, f, log, me.attributes()
			s.mu.Lock()
			if cmd.Start() == nil {
				s.logins = append(s.logins, cmd)
			}
			s.mu.Unlock()
			_ = f.Close() // sshd has its own
		}
		_ = c.Close()
	}
}

// end ends what still runs.
func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cmd := range s.logins {
		_ = cmd.Process.Kill() // most have ended
		_ = cmd.Wait()         // killed, or ended with its client
	}
}

func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/usr/sbin/" + program)
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

func (s *Server) write(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	check(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), mode))
}

func (s *Server) read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	check(t, err)
	return string(text)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// login is whom the server runs as, and lets in.
type login struct {
	name     string
	uid, gid int
	other    bool // than the one who tests
}

// account is the user who tests, and nobody for root: no test opens a way to root.
func account() (login, error) {
	me, err := user.Current()
	if err == nil && os.Getuid() == 0 {
		me, err = user.Lookup("nobody")
	}
	if err != nil {
		return login{}, err
	}
	uid, err := strconv.Atoi(me.Uid)
	if err != nil {
		return login{}, err
	}
	gid, err := strconv.Atoi(me.Gid)
	return login{me.Username, uid, gid, uid != os.Getuid()}, err
}
