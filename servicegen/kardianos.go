package servicegen

import (
	"context"
	"errors"
	"fmt"

	"github.com/kardianos/service"
)

// Kardianos is the Host of every init system that has no native one here, by way
// of github.com/kardianos/service. That library writes its own definition when
// it enables a service, knows no drift and takes no context: ctx is looked at
// before each step, and a step that hangs is the library's.
type Kardianos struct {
	o       HostOptions
	systems func() []service.System
}

// NewKardianos returns the host. The init system is looked for at each call.
func NewKardianos(o HostOptions) *Kardianos {
	return &Kardianos{o: o.filled(), systems: service.AvailableSystems}
}

// foreignSystem returns the init system that runs this machine and is neither
// systemd nor launchd, nil when there is none. The library's own choice is a
// global that guesses wrong in containers, so it is not asked.
func foreignSystem() service.System { return pickSystem(service.AvailableSystems()) }

func pickSystem(systems []service.System) service.System {
	for _, s := range systems {
		switch s.String() {
		case "linux-systemd", "darwin-launchd", "unix-systemv":
			// The first two have native hosts. The last is what the library falls
			// back to when it finds nothing, so finding it means nothing.
			continue
		}
		if s.Detect() {
			return s
		}
	}
	return nil
}

// Format implements Host.
func (h *Kardianos) Format() Format { return FormatKardianos }

// program satisfies the library, which wants something to run even when it only
// controls.
type program struct{}

func (program) Start(service.Service) error { return nil }
func (program) Stop(service.Service) error  { return nil }

func (h *Kardianos) open(ctx context.Context, u Unit) (service.Service, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	system := pickSystem(h.systems())
	if system == nil {
		return nil, fmt.Errorf("service %s: no service manager found on this machine; run `coderclaw supervisor run` from the init that it has", u.Name)
	}
	s := u.Spec
	s.Name = u.Name
	return system.New(program{}, s.kardianos())
}

// kardianos is what the library is told of a service.
func (s Spec) kardianos() *service.Config {
	c := &service.Config{
		Name:        s.Name,
		DisplayName: s.Name,
		Description: s.Description,
		Option:      service.KeyValue{"UserService": false},
		EnvVars:     s.envMap(),
	}
	if len(s.Exec) > 0 {
		c.Executable, c.Arguments = s.Exec[0], s.Exec[1:]
	}
	return c
}

func (h *Kardianos) do(ctx context.Context, u Unit, verb string, fn func(service.Service) error) error {
	s, err := h.open(ctx, u)
	if err != nil {
		return err
	}
	if err := fn(s); err != nil {
		return fmt.Errorf("%s %s (%s): %w", verb, u.Name, s.Platform(), err)
	}
	return nil
}

// Reload implements Host: nothing keeps a copy.
func (h *Kardianos) Reload(context.Context, Unit) error { return nil }

// Enable implements Host: it writes the definition unless there is one.
func (h *Kardianos) Enable(ctx context.Context, u Unit) error {
	return h.do(ctx, u, "install", func(s service.Service) error {
		if _, err := s.Status(); err == nil {
			return nil
		}
		return s.Install()
	})
}

// Disable implements Host: it removes the definition.
func (h *Kardianos) Disable(ctx context.Context, u Unit) error {
	return h.do(ctx, u, "uninstall", func(s service.Service) error {
		if _, err := s.Status(); errors.Is(err, service.ErrNotInstalled) {
			return nil
		}
		return s.Uninstall()
	})
}

// Start implements Host.
func (h *Kardianos) Start(ctx context.Context, u Unit) error {
	return h.do(ctx, u, "start", func(s service.Service) error {
		if status, err := s.Status(); err == nil && status == service.StatusRunning {
			return nil
		}
		return s.Start()
	})
}

// Stop implements Host.
func (h *Kardianos) Stop(ctx context.Context, u Unit) error {
	return h.do(ctx, u, "stop", func(s service.Service) error {
		status, err := s.Status()
		if errors.Is(err, service.ErrNotInstalled) || (err == nil && status == service.StatusStopped) {
			return nil
		}
		return s.Stop()
	})
}

// Restart implements Host.
func (h *Kardianos) Restart(ctx context.Context, u Unit) error {
	return h.do(ctx, u, "restart", func(s service.Service) error {
		if status, err := s.Status(); err == nil && status == service.StatusStopped {
			return s.Start()
		}
		return s.Restart()
	})
}

// ResetFailed implements Host; none of these systems keeps such a thing.
func (h *Kardianos) ResetFailed(context.Context, Unit) error { return nil }

// State implements Host. The library tells running from stopped and no more.
func (h *Kardianos) State(ctx context.Context, u Unit) (State, error) {
	var st State
	err := h.do(ctx, u, "read the state of", func(s service.Service) error {
		status, err := s.Status()
		switch {
		case errors.Is(err, service.ErrNotInstalled):
			st = State{LoadState: LoadNotFound, ActiveState: "inactive"}
			return nil
		case err != nil:
			return err
		case status == service.StatusRunning:
			st = State{LoadState: LoadLoaded, ActiveState: "active", UnitFileState: "enabled"}
		case status == service.StatusStopped:
			st = State{LoadState: LoadLoaded, ActiveState: "inactive", UnitFileState: "enabled"}
		}
		return nil
	})
	st.View = View{Format: FormatKardianos, Loaded: true, Values: map[string]string{}}
	return st, err
}
