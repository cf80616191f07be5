package servicegen

import (
	"context"
	"errors"
	"fmt"

	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// Systemd is the Host of one systemd manager, spoken to over D-Bus. Every call
// opens a connection of its own (about 1 ms).
type Systemd struct {
	o        HostOptions
	patience time.Duration // with a manager that is asked for the state of units
}

// NewSystemd returns the host of the manager of o.UID, or of the machine in
// system scope. Nothing is opened yet.
func NewSystemd(o HostOptions) *Systemd { return &Systemd{o: o.filled(), patience: stateTime} }

// Format implements Host.
func (h *Systemd) Format() Format { return FormatSystemd }

// Reload implements Host: systemd reads all its files again.
func (h *Systemd) Reload(ctx context.Context, u Unit) error {
	return h.do(ctx, u, "reload the manager for", func(c *sd.Conn) error { return c.ReloadContext(ctx) })
}

// Enable implements Host. The manager reads its files again afterwards, since it
// would go on answering what it knew of their links.
func (h *Systemd) Enable(ctx context.Context, u Unit) error {
	return h.do(ctx, u, "enable", func(c *sd.Conn) error {
		for _, runtime := range []bool{false, true} {
			if _, err := c.UnmaskUnitFilesContext(ctx, []string{u.Name}, runtime); err != nil {
				return fmt.Errorf("lift the mask: %w", err)
			}
		}
		file := u.Name
		if u.Path != "" {
			file = u.Path // works, by a link, from directories that the manager does not search
		}
		if _, _, err := c.EnableUnitFilesContext(ctx, []string{file}, false, true); err != nil {
			return err
		}
		return c.ReloadContext(ctx)
	})
}

// Disable implements Host. Links to a file that is gone are removed as well.
func (h *Systemd) Disable(ctx context.Context, u Unit) error {
	return h.do(ctx, u, "disable", func(c *sd.Conn) error {
		if _, err := c.DisableUnitFilesContext(ctx, []string{u.Name}, false); err != nil {
			return err
		}
		return c.ReloadContext(ctx)
	})
}

// Start implements Host. Starts that a person asks for must not use up what the
// unit's start limit leaves for real failures, so the count is reset first.
func (h *Systemd) Start(ctx context.Context, u Unit) error {
	return h.job(ctx, u, "start", func(c *sd.Conn, done chan<- string) error {
		if err := ignoreUnknown(c.ResetFailedUnitContext(ctx, u.Name)); err != nil {
			return err
		}
		_, err := c.StartUnitContext(ctx, u.Name, "replace", done)
		return err
	})
}

// Stop implements Host.
func (h *Systemd) Stop(ctx context.Context, u Unit) error {
	return h.job(ctx, u, "stop", func(c *sd.Conn, done chan<- string) error {
		_, err := c.StopUnitContext(ctx, u.Name, "replace", done)
		if err != nil && ignoreUnknown(err) == nil {
			done <- jobDone
			return nil
		}
		return err
	})
}

// Restart implements Host.
func (h *Systemd) Restart(ctx context.Context, u Unit) error {
	return h.job(ctx, u, "restart", func(c *sd.Conn, done chan<- string) error {
		if err := ignoreUnknown(c.ResetFailedUnitContext(ctx, u.Name)); err != nil {
			return err
		}
		_, err := c.RestartUnitContext(ctx, u.Name, "replace", done)
		return err
	})
}

// ResetFailed implements Host; a unit that is not loaded has nothing to forget.
func (h *Systemd) ResetFailed(ctx context.Context, u Unit) error {
	return h.do(ctx, u, "reset", func(c *sd.Conn) error {
		return ignoreUnknown(c.ResetFailedUnitContext(ctx, u.Name))
	})
}

// State implements Host.
func (h *Systemd) State(ctx context.Context, u Unit) (State, error) {
	all, err := h.States(ctx, []Unit{u})
	if err != nil {
		return State{}, err
	}
	return all[0], nil
}

// Delegated returns the control group that the manager has handed to the unit to
// divide, "" when it has not handed over any.
func (h *Systemd) Delegated(ctx context.Context, unit string) (group string, err error) {
	err = h.do(ctx, Unit{Name: unit}, "read the control group of", func(c *sd.Conn) error {
		props, err := c.GetAllPropertiesContext(ctx, unit)
		if err != nil {
			return err
		}
		if yes, _ := props["Delegate"].(bool); yes {
			group, _ = props["ControlGroup"].(string)
		}
		return nil
	})
	return group, err
}

// jobDone is the result of a job that did what it should.
const jobDone = "done"

// job runs one job and waits for its result.
func (h *Systemd) job(ctx context.Context, u Unit, verb string, start func(*sd.Conn, chan<- string) error) error {
	return h.do(ctx, u, verb, func(c *sd.Conn) error {
		done := make(chan string, 1) // an unread result must not block the connection
		if err := start(c, done); err != nil {
			return err
		}
		result, err := await(ctx, c, done)
		if err != nil || result == jobDone {
			return err
		}
		e := &JobError{Unit: u.Name, Verb: verb, Result: result}
		if props, err := c.GetAllPropertiesContext(ctx, u.Name); err == nil {
			s := stateOf(u.Scope, props)
			e.Detail = fmt.Sprintf("%s/%s, result %s, last exit status %d", s.ActiveState, s.SubState, s.Result, s.ExecMainStatus)
		}
		return e
	})
}

// busPoll is how often a call that waits for a job looks whether its bus is still there.
const busPoll = 250 * time.Millisecond

// await returns the result of a job. The library never tells of one when the bus
// has gone, as it does when the job takes the bus down with it.
func await(ctx context.Context, c interface{ Connected() bool }, done <-chan string) (result string, err error) {
	look := time.NewTicker(busPoll)
	defer look.Stop()
	for {
		select {
		case result := <-done:
			return result, nil
		case <-ctx.Done():
			return "", fmt.Errorf("still under way: %w", context.Cause(ctx))
		case <-look.C:
			if !c.Connected() {
				return "", errors.New("the bus of the manager went away before the job had ended; ask for the state of the service")
			}
		}
	}
}

// do runs fn on a fresh connection and says in its error what failed for whom.
func (h *Systemd) do(ctx context.Context, u Unit, verb string, fn func(*sd.Conn) error) error {
	c, err := h.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	err = fn(c)
	if _, ok := errors.AsType[*JobError](err); ok || err == nil {
		return err
	}
	if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) { // the library says only that it was closed
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%s %s: %w", verb, u.Name, err)
}

// hint says what to do when nobody answers.
func (h *Systemd) hint() string {
	init := h.o.Init()
	if init.Kind != InitSystemd {
		if init.WSL {
			return WSLHint
		}
		return "this machine seems not to run systemd: keep `coderclaw supervisor run` up with the init that it has"
	}
	if h.o.Scope == ScopeSystem {
		return "its bus, and /run/systemd/private, are for root: use sudo"
	}
	name := h.o.userName()
	if !h.o.atHome() {
		return fmt.Sprintf("HOME is not the home of %s, whose manager reads no service files below it; to have it asked all the same: XDG_RUNTIME_DIR=%s/%d", name, h.o.RuntimeRoot, h.o.UID)
	}
	return "log in as the user (sudo and su do not), or let the manager run without a login: loginctl enable-linger " + shellQuote(name)
}

// ignoreUnknown drops the error for a unit that the manager does not know.
func ignoreUnknown(err error) error {
	if e, ok := errors.AsType[dbus.Error](err); ok && strings.HasSuffix(e.Name, ".NoSuchUnit") {
		return nil
	}
	return err
}
