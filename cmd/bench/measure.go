//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coderclaw/coderclaw/cmd/bench/launch"
	"github.com/coderclaw/coderclaw/cmd/bench/procstat"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// bench is one run with its two programs.
type bench struct{ dir, product, floor string }

// spawn starts a program on a fresh socket. The clock starts at the fork.
func (b *bench) spawn(ctx context.Context, gateway bool) (*launch.Process, time.Time, error) {
	if gateway {
		return launch.Gateway(ctx, b.product, b.dir)
	}
	return launch.Program(ctx, b.floor)
}

// hello connects and waits until the gateway has let the client in.
func hello(ctx context.Context, url string) error {
	c, err := client.Dial(ctx, client.Options{URL: url, Token: launch.Token})
	if err != nil {
		return err
	}
	return c.Close()
}

func byteFrom(ctx context.Context, addr string) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, 1))
	return errors.Join(err, c.Close())
}

// cold measures a gateway alone: its start and its weight.
func (b *bench) cold(ctx context.Context) ([]row, error) {
	start := func(gateway bool) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) {
			s, begin, err := b.spawn(ctx, gateway)
			if err != nil {
				return 0, err
			}
			if gateway {
				err = hello(ctx, s.URL)
			} else {
				err = byteFrom(ctx, s.Addr)
			}
			took := time.Since(begin)
			return took, errors.Join(err, s.End())
		}
	}
	product, err := best(ctx, start(true))
	if err != nil {
		return nil, fmt.Errorf("exec to hello-ok: %w", err)
	}
	floor, err := best(ctx, start(false))
	if err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	pss, private, err := b.weigh(ctx, true)
	if err != nil {
		return nil, err
	}
	floorPSS, floorPrivate, err := b.weigh(ctx, false)
	if err != nil {
		return nil, err
	}
	return []row{
		{"exec to hello-ok", product, floor, "ms", 30},
		{"gateway PSS, alone", pss, floorPSS, "MB", 20},
		{"gateway private dirty, alone", private, floorPrivate, "MB", 5},
	}, nil
}

func (b *bench) weigh(ctx context.Context, gateway bool) (pss, private float64, err error) {
	s, _, err := b.spawn(ctx, gateway)
	if err != nil {
		return 0, 0, err
	}
	if gateway {
		err = hello(ctx, s.URL)
	} else {
		err = byteFrom(ctx, s.Addr)
	}
	if err == nil {
		pss, private, err = procstat.Memory(s.PID())
	}
	return pss, private, errors.Join(err, s.End())
}

// supervised measures three gateways below a supervisor.
func (b *bench) supervised(ctx context.Context) ([]row, error) {
	home := filepath.Join(b.dir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	env := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + filepath.Join(b.dir, "none")}
	registry := filepath.Join(b.dir, "profiles.toml")
	text := "[profiles.default]\nport = 23000\n[profiles.dev]\nport = 23200\n[profiles.rescue]\nport = 23400\n"
	if err := os.WriteFile(registry, []byte(text), 0o600); err != nil {
		return nil, err
	}
	env = append(env, "CODERCLAW_REGISTRY="+registry)
	reg, err := profiles.Load(registry, home)
	if err != nil {
		return nil, err
	}
	for _, p := range reg.List() {
		if _, err := config.Setup(ctx, p, config.SetupOptions{}); err != nil {
			return nil, err
		}
		if err := os.WriteFile(p.ConfigPath, config.Skeleton(launch.Token), 0o600); err != nil {
			return nil, err
		}
	}
	sup := exec.CommandContext(ctx, b.product, "supervisor", "run", "--all")
	sup.Env = env
	if err := sup.Start(); err != nil {
		return nil, err
	}
	rows, err := b.withSupervisor(ctx, reg, sup.Process.Pid, env)
	_ = sup.Process.Signal(syscall.SIGTERM)
	return rows, errors.Join(err, launch.Wait(sup))
}

func (b *bench) withSupervisor(ctx context.Context, reg *profiles.Registry, pid int, env []string) ([]row, error) {
	dev, err := reg.Get(profiles.Dev)
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("ws://127.0.0.1:%d", dev.Port)
	if err := up(ctx, url); err != nil {
		return nil, err
	}
	ctl, _, err := control.Find(dev)
	if err != nil {
		return nil, err
	}
	supPSS, supPrivate, err := procstat.Memory(pid)
	if err != nil {
		return nil, err
	}
	restart, err := best(ctx, func(ctx context.Context) (time.Duration, error) {
		begin := time.Now()
		err := ctl.Restart(ctx, profiles.Dev)
		return time.Since(begin), err
	})
	if err != nil {
		return nil, fmt.Errorf("restart: %w", err)
	}
	crash, err := best(ctx, func(ctx context.Context) (time.Duration, error) {
		st, err := ctl.Status(ctx)
		if err != nil {
			return 0, err
		}
		for _, i := range st.Instances {
			if i.Profile == profiles.Dev {
				begin := time.Now()
				if err := syscall.Kill(i.PID, syscall.SIGKILL); err != nil {
					return 0, err
				}
				err := up(ctx, url)
				return time.Since(begin), err
			}
		}
		return 0, errors.New("the supervisor does not run dev")
	})
	if err != nil {
		return nil, fmt.Errorf("crash: %w", err)
	}
	verb := func(program string, args ...string) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) {
			cmd := exec.CommandContext(ctx, program, args...)
			cmd.Env = env
			begin := time.Now()
			out, err := cmd.Output()
			took := time.Since(begin)
			if err != nil {
				err = fmt.Errorf("%s %v: %w\n%s", program, args, err, out)
			}
			return took, err
		}
	}
	status, err := best(ctx, verb(b.product, "--dev", "gateway", "status", "--require-rpc", "--json"))
	if err != nil {
		return nil, err
	}
	ps, err := best(ctx, verb(b.product, "ps", "--json"))
	if err != nil {
		return nil, err
	}
	doctor, err := best(ctx, verb(b.product, "doctor", "--all", "--json"))
	if err != nil {
		return nil, err
	}
	bare, err := best(ctx, verb(b.floor, "-exit"))
	if err != nil {
		return nil, err
	}
	many, err := b.doctorRow(ctx, bare)
	if err != nil {
		return nil, err
	}
	return []row{
		{"supervisor PSS, 3 children", supPSS, 0, "MB", 14},
		{"supervisor private dirty, 3 children", supPrivate, 0, "MB", 4},
		{"supervisor restart to ready", restart, 0, "ms", 60},
		{"kill -9 to successor's hello-ok", crash, 0, "ms", 60},
		{"gateway status", status, bare, "ms", 40},
		{"ps, 3 instances", ps, bare, "ms", 10},
		{"doctor, 3 profiles", doctor, bare, "ms", 100},
		many,
	}, nil
}

// up returns when the gateway at url lets a client in; a connection that dies
// with an old gateway is made again.
func up(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := hello(ctx, url)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}
