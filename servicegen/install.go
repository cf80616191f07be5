package servicegen

import (
	"context"
	"fmt"
	"time"
)

// InstallOptions changes what Install does.
type InstallOptions struct {
	// Force writes the file anew, foreign keys included, and takes over a file
	// that is not ours. Drop-ins stay.
	Force bool
	// Offline makes a missing manager no error: the file and the link that starts
	// it are written, and the report says that it waits for its manager.
	Offline bool
	// Keep is given the text of a file of somebody else before Force replaces it; an
	// error keeps the file. nil keeps nothing.
	Keep func(path string, text []byte) error
	// Prove is asked, once the service is loaded and started, whether it does what
	// it should; an error undoes everything. It bounds its own time. It is not
	// asked with NoStart, nor without a manager. nil proves nothing.
	Prove func(ctx context.Context, s State) error
	// NoStart installs and enables without starting or restarting.
	NoStart bool
	// Socket is the socket unit of the service, which is installed with it, and
	// started before it. nil leaves what is there alone.
	Socket *Spec
	// NoSocket removes the socket unit of the service, if there is one.
	NoSocket bool
}

// InstallReport says what Install did.
type InstallReport struct {
	Path      string
	Wrote     bool       // the file changed
	Enabled   bool       // it was not enabled before
	Started   bool       // it was started or restarted
	Pending   bool       // Offline: it starts with its manager
	TakenOver OriginKind // whose file was replaced by force, "" for none
	Foreign   []KeyValue // kept in the file
	DropIns   []string   // they change what the file says
	State     State      // afterwards; zero when Pending

	Socket    *InstallReport // of the socket unit, nil when none was asked for
	SocketErr error          // why the socket unit cannot listen, which leaves that to the service
}

// Changed tells whether anything is not as it was before.
func (r InstallReport) Changed() bool {
	return r.Wrote || r.Enabled || r.Started || r.Socket != nil && r.Socket.Changed()
}

// ForeignFileError is a service file of somebody else in our place.
type ForeignFileError struct {
	Path   string
	Origin Origin
}

func (e *ForeignFileError) Error() string {
	whose := "was not written by coderclaw"
	if e.Origin.Kind == OriginNode {
		whose = "belongs to the Node product that shares our service names"
	}
	return fmt.Sprintf("%s %s; nothing was changed; take it over with --force", e.Path, whose)
}

// undoTimeout bounds the way back after a failure, beyond the stop time-out.
const undoTimeout = 30 * time.Second

// Install makes s the service that h runs: file, enabled, loaded, started. What
// is as it should be is left alone, so a second call writes and restarts
// nothing. When a step fails, file, enablement and running state are put back as
// they were, and the error tells of both the failure and the way back.
func Install(ctx context.Context, h Host, u Unit, s Spec, o InstallOptions) (InstallReport, error) {
	in := newInstaller(h, u, s, o)
	if err := in.prepare(ctx); err != nil {
		return in.report, err
	}
	if err := in.prepareSocket(ctx); err != nil {
		return in.report, err
	}
	err := in.apply(ctx)
	if err == nil {
		return in.report, nil
	}
	// The caller may have given up, but a half installed service must not stay.
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.StopTimeout+undoTimeout)
	defer cancel()
	if undo := in.undo(back); undo != nil {
		return in.report, fmt.Errorf("%w; putting back what was there failed too: %w", err, undo)
	}
	return in.report, fmt.Errorf("%w; everything is as it was", err)
}
