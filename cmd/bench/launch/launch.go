//go:build unix

// Package launch owns how the benchmarks start one server: on a socket that is open
// before the server is, as a supervisor would, so that nobody has to wait for its port.
package launch

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/profiles"
)

// Token is what the gateways of all benchmarks ask for.
const Token = "bench-token-of-one-run"

// Process is a server that has a listening socket as descriptor 3.
type Process struct {
	URL  string // ws://
	Addr string // host:port

	cmd  *exec.Cmd
	pipe *os.File // hand-off; nil for what is no gateway
}

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Program starts a program that takes no more than the socket. The time is that
// just before the fork.
func Program(ctx context.Context, path string, args ...string) (*Process, time.Time, error) {
	p, f, err := listen()
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	p.cmd = exec.CommandContext(ctx, path, args...)
	p.cmd.ExtraFiles = []*os.File{f}
	p.cmd.Stderr = os.Stderr
	begin := time.Now()
	return p, begin, p.cmd.Start()
}

// Gateway starts the product as one gateway whose home is dir and which lets in
// who shows Token. The time is that just before the fork.
func Gateway(ctx context.Context, product, dir string) (*Process, time.Time, error) {
	state := filepath.Join(dir, "single")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, time.Time{}, err
	}
	cfg := filepath.Join(state, "coderclaw.json")
	if err := os.WriteFile(cfg, config.Skeleton(Token), 0o600); err != nil {
		return nil, time.Time{}, err
	}
	p, f, err := listen()
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, time.Time{}, err
	}
	defer r.Close()
	p.pipe = w
	p.cmd = exec.CommandContext(ctx, product, "gateway", "run")
	p.cmd.ExtraFiles = []*os.File{f, r}
	p.cmd.Env = []string{"HOME=" + dir, handoff.EnvListenFDs + "=1", handoff.EnvParentFD + "=4"}
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, begin, errors.Join(err, w.Close())
	}
	_, port, _ := net.SplitHostPort(p.Addr)
	n, _ := strconv.Atoi(port)
	message, err := handoff.Encode(handoff.Message{Profile: "default", Instance: "bench", StateDir: state, ConfigPath: cfg,
		Workspace: filepath.Join(state, "workspace"), Port: n, Drain: profiles.DefaultDrain})
	if err == nil {
		_, err = w.Write(message)
	}
	if err != nil {
		return nil, begin, errors.Join(err, p.End())
	}
	return p, begin, nil
}

func listen() (*Process, *os.File, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	f, err := l.(*net.TCPListener).File()
	if err := errors.Join(err, l.Close()); err != nil {
		return nil, nil, err
	}
	return &Process{Addr: l.Addr().String(), URL: "ws://" + l.Addr().String()}, f, nil
}

// End kills the process and waits for its end.
func (p *Process) End() error {
	if p.pipe != nil {
		_ = p.pipe.Close()
	}
	_ = p.cmd.Process.Kill() // it may be gone
	return Wait(p.cmd)
}

// Wait reaps a process that was told to end.
func Wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return nil
	}
	return err
}
