//go:build linux

package supbench

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/profiles"
)

// set is n profiles in a home of their own, for the supervisor and for the floor.
type set struct {
	home, registry string
	child          string
	profiles       []profiles.Profile
	stamps         *records // of every child
}

// blockStride is the distance of the profiles' ports: a block holds 111.
const (
	firstBase   = 20000
	blockStride = 111
)

// newSet makes the profiles and their state dirs. The first three are the built-in ones.
func newSet(dir, child string, n int) (*set, error) {
	s := &set{home: filepath.Join(dir, fmt.Sprintf("home%d", n)), child: child}
	if err := os.MkdirAll(s.home, 0o700); err != nil {
		return nil, err
	}
	s.registry = filepath.Join(s.home, "profiles.toml")
	names := []string{profiles.Default, profiles.Dev, profiles.Rescue}
	for len(names) < n {
		names = append(names, fmt.Sprintf("p%03d", len(names)))
	}
	var text strings.Builder
	for i, name := range names {
		state := filepath.Join(s.home, ".coderclaw-"+name) // where the registry has them as well
		if name == profiles.Default {
			state = filepath.Join(s.home, ".coderclaw")
		}
		if err := os.MkdirAll(state, 0o700); err != nil {
			return nil, err
		}
		p := profiles.Profile{Name: name, Port: firstBase + i*blockStride, StateDir: state, ConfigPath: filepath.Join(state, "coderclaw.json"),
			Workspace: filepath.Join(state, "workspace"), Drain: profiles.DefaultDrain}
		s.profiles = append(s.profiles, p)
		fmt.Fprintf(&text, "[profiles.%s]\nport = %d\n", name, p.Port)
	}
	if err := os.WriteFile(s.registry, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	fifo := filepath.Join(s.home, "stamps")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		return nil, fmt.Errorf("%s: %w", fifo, err)
	}
	// Open for writing as well, so that it has no end while no child writes.
	fd, err := unix.Open(fifo, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fifo, err)
	}
	s.stamps = &records{fd: fd}
	return s, nil
}

func (s *set) close() error { return unix.Close(s.stamps.fd) }

// freePorts finds a port that nobody listens on for each profile.
func (s *set) freePorts(ctx context.Context) (map[string]int, error) {
	ports := map[string]int{}
	var all []net.Listener
	var errs []error
	for _, p := range s.profiles {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			errs = append(errs, err)
			break
		}
		all = append(all, l)
		ports[p.Name] = l.Addr().(*net.TCPAddr).Port
	}
	for _, l := range all {
		errs = append(errs, l.Close())
	}
	return ports, errors.Join(errs...)
}

//go:embed child/child.c
var childSource []byte

// buildChild makes the child in dir and tells what it is. which is "c", "go", or
// "" for C where there is a compiler that links statically.
func buildChild(ctx context.Context, dir, which string, build Build) (path, what string, err error) {
	path = filepath.Join(dir, "child")
	if which != "go" {
		source := filepath.Join(dir, "child.c")
		if err := os.WriteFile(source, childSource, 0o600); err != nil {
			return "", "", err
		}
		text, err := exec.CommandContext(ctx, "cc", "-O2", "-static", "-s", "-o", path, source).CombinedOutput()
		if err == nil {
			return path, "a static C program", nil
		}
		if which == "c" {
			return "", "", fmt.Errorf("compile the child: %w\n%s", err, text)
		}
	}
	return path, "a static Go program, whose runtime takes its time to start", build(ctx, path, "./cmd/bench/supbench/child")
}
