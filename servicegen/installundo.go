package servicegen

import (
	"context"
	"errors"
)

// undo puts back files, links, enablement and running state, of the service and of
// its socket unit. It goes on after a failure, to bring back as much as it can.
func (in *installer) undo(ctx context.Context) error {
	var errs []error
	try := func(err error) { errs = append(errs, err) }
	both := []*installer{in}
	if in.socket != nil {
		both = []*installer{in.socket, in}
		if in.socket.moved() && in.state.ActiveState == "active" {
			in.halted = true // it must let go of the port before the socket comes back
		}
	}
	for i := len(both) - 1; i >= 0; i-- { // while the manager still has the definition to stop it by
		if u := both[i]; !u.offline && u.report.Started && (u.halted || u.state.ActiveState != "active") {
			try(u.h.Stop(ctx, u.u))
		}
	}
	read := false
	for _, u := range both {
		try(u.putBack(ctx))
		read = read || u.changed() || u.reloaded
	}
	if in.offline {
		return errors.Join(errs...)
	}
	if read {
		try(in.h.Reload(ctx, in.u))
	}
	for _, u := range both {
		try(u.resume(ctx))
	}
	return errors.Join(errs...)
}

// changed tells whether anything on disk may differ from before.
func (in *installer) changed() bool { return in.report.Wrote || in.touched }

// putBack brings back what stood on disk.
func (in *installer) putBack(ctx context.Context) error {
	var errs []error
	if in.report.Enabled && !in.offline && (in.spec.Format != FormatLaunchd || in.state.UnitFileState == "disabled") {
		// launchd keeps "disabled" apart from the plist; only put back what was said.
		errs = append(errs, in.h.Disable(ctx, in.u))
	}
	if in.changed() && in.u.Path != "" {
		errs = append(errs, in.before.restore())
	}
	return errors.Join(errs...)
}

// resume brings back what ran.
func (in *installer) resume(ctx context.Context) error {
	wasActive := in.state.ActiveState == "active"
	switch {
	case in.spec.Format == FormatLaunchd && in.state.LoadState == LoadLoaded && (in.reloaded || in.report.Started):
		// A reload begins with an end, and may have got no further.
		if err := in.h.Start(ctx, in.u); wasActive || !isJobError(err) {
			return err // one that was loaded and down is loaded and down again
		}
		return nil
	case wasActive && in.halted:
		return in.h.Start(ctx, in.u)
	case !in.report.Started:
		return nil
	case wasActive:
		return in.h.Restart(ctx, in.u)
	case in.state.ActiveState == "activating": // as when it crashes again and again, which it may go on with
		if err := in.h.Start(ctx, in.u); !isJobError(err) {
			return err
		}
		return nil
	case in.spec.Format == FormatSystemd:
		return in.h.ResetFailed(ctx, in.u)
	}
	return nil
}

func isJobError(err error) bool {
	_, ok := errors.AsType[*JobError](err)
	return ok
}
