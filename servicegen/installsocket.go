package servicegen

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// SocketUnit is the socket unit that belongs to a systemd service, whether it
// exists or not.
func (u Unit) SocketUnit() Unit {
	s := Unit{Name: strings.TrimSuffix(u.Name, ".service") + socketSuffix, Scope: u.Scope}
	if u.Path != "" {
		s.Path = filepath.Join(filepath.Dir(u.Path), s.Name)
	}
	return s
}

// prepareSocket looks at the socket unit, as far as there is something to do about one.
func (in *installer) prepareSocket(ctx context.Context) error {
	if in.spec.Format != FormatSystemd || in.o.Socket == nil && !in.o.NoSocket {
		return nil
	}
	u := in.u.SocketUnit()
	if in.o.NoSocket && (in.o.NoStart || in.o.Socket != nil) {
		return fmt.Errorf("service %s: a socket unit cannot go while it is installed, nor without a start of the service", in.u.Name)
	}
	if in.o.NoSocket {
		return in.prepareRemoval(ctx, u)
	}
	if in.o.Socket.Name != u.Name {
		return fmt.Errorf("service %s: its socket unit is %s, not %s", in.u.Name, u.Name, in.o.Socket.Name)
	}
	o := InstallOptions{Force: in.o.Force, Offline: in.o.Offline, Keep: in.o.Keep, NoStart: in.o.NoStart}
	in.socket = newInstaller(in.h, u, *in.o.Socket, o)
	if err := in.socket.prepare(ctx); err != nil {
		return err
	}
	in.report.Socket = &in.socket.report
	return nil
}

// prepareRemoval looks at a socket unit that is to go.
func (in *installer) prepareRemoval(ctx context.Context, u Unit) error {
	disk := Observe(FormatSystemd, u.Path)
	if disk.State == FileMissing {
		return nil
	}
	if err := mayRemove(FormatSystemd, disk, UninstallOptions{Force: in.o.Force}); err != nil {
		return err
	}
	s := newInstaller(in.h, u, Spec{Format: FormatSystemd, Scope: u.Scope, Name: u.Name}, InstallOptions{})
	s.disk, s.offline = disk, in.offline
	if !in.offline {
		var err error
		if s.state, err = in.h.State(ctx, u); err != nil {
			return err
		}
	}
	var err error
	if s.before, err = take(u, ""); err != nil {
		return fmt.Errorf("service %s: %w", u.Name, err)
	}
	in.socket, in.report.Socket = s, &s.report
	return nil
}

// placeSocket writes the socket unit; one that is to go still has to be stopped first.
func (in *installer) placeSocket(ctx context.Context) error {
	switch {
	case in.socket == nil:
		return nil
	case !in.o.NoSocket:
		return in.socket.place(ctx)
	case in.offline:
		in.socket.touched, in.socket.report.Wrote = true, true
		return new(UninstallReport).removeFiles(in.socket.u, in.socket.disk)
	}
	return nil
}

// moveSocket hands the port from the service to its socket unit, or back. Both have
// to let go of it before: the service has copies of the listeners, and a client
// that comes to a socket without a service starts one.
func (in *installer) moveSocket(ctx context.Context) error {
	s := in.socket
	if s == nil || in.o.NoStart {
		return nil
	}
	up := s.state.ActiveState == "active"
	if !in.o.NoSocket && up && !s.report.Wrote && !s.state.NeedReload {
		return nil
	}
	if up {
		s.halted = true
		if err := in.h.Stop(ctx, s.u); err != nil {
			return err
		}
	}
	if down := in.state.ActiveState == "inactive" || in.state.ActiveState == "failed"; !down {
		in.halted, in.report.Started = true, true
		if err := in.h.Stop(ctx, in.u); err != nil {
			return err
		}
	}
	if in.o.NoSocket {
		return s.remove(ctx)
	}
	s.report.Started = true
	err := in.h.Start(ctx, s.u)
	if isJobError(err) { // somebody else has the port; the supervisor will say who
		in.report.SocketErr = err
		return nil
	}
	return err
}

// moved tells whether the socket unit may be up, or down, and was not before.
func (in *installer) moved() bool { return in.halted || in.report.Started }

// remove takes the unit, which is stopped, out of everything.
func (in *installer) remove(ctx context.Context) error {
	in.touched, in.report.Wrote = true, true
	if err := in.h.Disable(ctx, in.u); err != nil {
		return err
	}
	if err := new(UninstallReport).removeFiles(in.u, in.disk); err != nil {
		return err
	}
	in.reloaded = true
	if err := in.h.Reload(ctx, in.u); err != nil {
		return err
	}
	return in.h.ResetFailed(ctx, in.u)
}
