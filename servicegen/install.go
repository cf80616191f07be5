package servicegen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	in := installer{h: h, u: u, spec: s, o: o, report: InstallReport{Path: u.Path}}
	in.u.Spec = s
	if err := in.prepare(ctx); err != nil {
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

// installer is one run of Install.
type installer struct {
	h      Host
	u      Unit
	spec   Spec
	o      InstallOptions
	report InstallReport

	disk    OnDisk
	text    []byte // what the file should hold
	before  snapshot
	state   State // before
	offline bool

	touched, reloaded bool // links may have changed; the manager's copy may have
}

// prepare reads everything and decides; it changes nothing.
func (in *installer) prepare(ctx context.Context) error {
	var err error
	if in.state, err = in.h.State(ctx, in.u); errors.Is(err, ErrNoBus) && in.o.Offline {
		in.offline = true
	} else if err != nil {
		return err
	}
	if in.u.Path == "" {
		return in.spec.Validate()
	}
	in.disk = Observe(in.spec.Format, in.u.Path)
	for _, d := range in.disk.DropIns {
		in.report.DropIns = append(in.report.DropIns, d.Path)
	}
	if in.disk.State == FileUnreadable {
		return fmt.Errorf("service %s: %w", in.u.Name, in.disk.Err)
	}
	mask := ""
	if in.state.LoadState == LoadMasked {
		mask = in.state.FragmentPath
	}
	if in.before, err = take(in.u, mask); err != nil {
		return fmt.Errorf("service %s: %w", in.u.Name, err)
	}
	origin := OriginOurs
	if in.disk.State == FileText {
		found := OriginOf(in.spec.Format, in.disk.Raw)
		origin = found.Kind
		if (origin == OriginNode || origin == OriginOther) && !in.o.Force {
			return &ForeignFileError{Path: in.u.Path, Origin: found}
		}
	}
	if in.disk.State != FileText || in.o.Force {
		in.text, err = in.spec.Render()
	} else {
		in.text, err = Rewrite(in.disk.Raw, in.spec)
	}
	if err != nil {
		return err
	}
	if origin == OriginNode || origin == OriginOther {
		in.report.TakenOver = origin
		if in.o.Keep != nil {
			if err := in.o.Keep(in.u.Path, in.disk.Raw); err != nil {
				return err
			}
		}
	}
	view, err := ParseView(in.spec.Format, in.spec.Scope, in.text)
	in.report.Foreign = view.Foreign
	return err
}

func (in *installer) apply(ctx context.Context) error {
	in.report.Wrote = in.u.Path != "" && (in.disk.State != FileText || !bytes.Equal(in.text, in.disk.Raw))
	if err := sweep(in.u.Path); err != nil {
		return fmt.Errorf("service %s: %w", in.u.Name, err)
	}
	if in.report.Wrote {
		if err := in.unchanged(); err != nil {
			in.report.Wrote = false // what stands there now is not ours to take back
			return err
		}
		if err := WriteUnit(in.u, in.text); err != nil {
			return err
		}
	}
	if in.spec.LogDir != "" { // launchd does not make it, and fails to start without it
		if err := os.MkdirAll(in.spec.LogDir, 0o700); err != nil {
			return fmt.Errorf("service %s: %w", in.u.Name, err)
		}
	}
	if in.offline {
		return in.enableOffline()
	}
	if in.mustEnable() {
		in.touched = true
		if err := in.h.Enable(ctx, in.u); err != nil {
			return err
		}
		in.report.Enabled = !in.wasEnabled()
	}
	stale := in.report.Wrote || in.report.Enabled || in.state.NeedReload || in.state.LoadState != LoadLoaded
	if stale {
		in.reloaded = true
		if err := in.h.Reload(ctx, in.u); err != nil {
			return err
		}
	}
	if err := in.start(ctx, in.report.Wrote || in.state.NeedReload); err != nil {
		return err
	}
	var err error
	if in.report.State, err = in.h.State(ctx, in.u); err != nil {
		return err
	}
	if err := in.verify(); err != nil || in.o.NoStart || in.o.Prove == nil {
		return err
	}
	if err := in.o.Prove(ctx, in.report.State); err != nil {
		return fmt.Errorf("service %s: %w", in.u.Name, err)
	}
	return nil
}

// unchanged tells whether the file is still as it was read, so that no edit is lost.
func (in *installer) unchanged() error {
	now := Observe(in.spec.Format, in.u.Path)
	if now.State != in.disk.State || now.Link != in.disk.Link || !bytes.Equal(now.Raw, in.disk.Raw) {
		return fmt.Errorf("service %s: somebody else has just changed %s; look at it, then try again", in.u.Name, in.u.Path)
	}
	return nil
}

// mustEnable tells whether Enable has work to do. A file that changed may name
// another target than the one that starts it now.
func (in *installer) mustEnable() bool {
	return !in.wasEnabled() || (in.report.Wrote && in.spec.Format == FormatSystemd)
}

// wasEnabled looks at the links as well: systemd keeps in mind what it once read
// of them, does not see that one was removed by hand, and takes any target for
// the one that is meant.
func (in *installer) wasEnabled() bool {
	if in.spec.Format == FormatSystemd && !in.disk.StartedBy(in.spec.Target()) {
		return false
	}
	return in.state.Enabled()
}

func (in *installer) start(ctx context.Context, changed bool) error {
	if in.o.NoStart {
		return nil
	}
	if in.state.ActiveState == "active" && !changed {
		return nil
	}
	in.report.Started = true
	down := in.state.ActiveState == "inactive" || in.state.ActiveState == "failed" || in.state.ActiveState == ""
	if in.h.Format() == FormatLaunchd || down {
		return in.h.Start(ctx, in.u) // after a reload launchd runs the new job already
	}
	if !changed && in.state.SubState == "start" {
		return in.h.Start(ctx, in.u) // joins the start that is under way
	}
	// A start of what is about to come up by an older file, or waits for its next
	// try, would wait for that.
	return in.h.Restart(ctx, in.u)
}

// verify holds what the manager says against what was asked for.
func (in *installer) verify() error {
	s := in.report.State
	if s.LoadState != LoadLoaded {
		return fmt.Errorf("service %s: the manager did not load %s (state %s): does it read that directory?", in.u.Name, in.u.Path, s.LoadState)
	}
	if in.u.Path != "" && s.FragmentPath != "" && !sameFile(s.FragmentPath, in.u.Path) {
		return fmt.Errorf("service %s: the manager loads %s instead of %s; remove that file", in.u.Name, s.FragmentPath, in.u.Path)
	}
	if !in.o.NoStart && s.ActiveState != "active" {
		return fmt.Errorf("service %s: started, but is now %s/%s (%s)", in.u.Name, s.ActiveState, s.SubState, s.Result)
	}
	return nil
}

func sameFile(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// enableOffline makes the link that the manager would make.
func (in *installer) enableOffline() error {
	in.report.Pending = true
	if in.spec.Format != FormatSystemd || in.disk.StartedBy(in.spec.Target()) {
		return nil
	}
	link := in.offlineLink(in.spec.Target())
	in.touched = true
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return fmt.Errorf("service %s: enable: %w", in.u.Name, err)
	}
	if err := os.Symlink(in.u.Path, link); err != nil {
		return fmt.Errorf("service %s: enable: %w", in.u.Name, err)
	}
	in.report.Enabled = true
	return nil
}

func (in *installer) offlineLink(target string) string {
	return filepath.Join(filepath.Dir(in.u.Path), target+".wants", in.u.Name)
}

// undo puts back file, links, enablement and running state.
func (in *installer) undo(ctx context.Context) error {
	var errs []error
	try := func(err error) { errs = append(errs, err) }
	wasActive := in.state.ActiveState == "active"
	if !in.offline && in.report.Started && !wasActive {
		try(in.h.Stop(ctx, in.u)) // while the manager still has the definition to stop it by
	}
	if in.report.Enabled && !in.offline && (in.spec.Format != FormatLaunchd || in.state.UnitFileState == "disabled") {
		// launchd keeps "disabled" apart from the plist; only put back what was said.
		try(in.h.Disable(ctx, in.u))
	}
	changed := in.report.Wrote || in.touched
	if changed && in.u.Path != "" {
		try(in.before.restore())
	}
	if in.offline {
		return errors.Join(errs...)
	}
	if changed || in.reloaded {
		try(in.h.Reload(ctx, in.u))
	}
	switch {
	case in.spec.Format == FormatLaunchd && in.state.LoadState == LoadLoaded && (in.reloaded || in.report.Started):
		// A reload begins with an end, and may have got no further.
		if err := in.h.Start(ctx, in.u); wasActive || !isJobError(err) {
			try(err) // one that was loaded and down is loaded and down again
		}
	case !in.report.Started:
	case wasActive:
		try(in.h.Restart(ctx, in.u))
	case in.state.ActiveState == "activating": // as when it crashes again and again, which it may go on with
		if err := in.h.Start(ctx, in.u); !isJobError(err) {
			try(err)
		}
		return errors.Join(errs...)
	}
	if !wasActive && in.report.Started && in.spec.Format == FormatSystemd {
		try(in.h.ResetFailed(ctx, in.u))
	}
	return errors.Join(errs...)
}

func isJobError(err error) bool {
	_, ok := errors.AsType[*JobError](err)
	return ok
}
