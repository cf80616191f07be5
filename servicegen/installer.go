package servicegen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/profiles"
)

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
	halted            bool // it was stopped, to be started again

	socket *installer // of the socket unit, nil when there is nothing to do about one
}

func newInstaller(h Host, u Unit, s Spec, o InstallOptions) *installer {
	u.Spec = s
	return &installer{h: h, u: u, spec: s, o: o, report: InstallReport{Path: u.Path}}
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
	if path := in.state.Elsewhere(in.u); path != "" {
		return elsewhereError(in.u, path)
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
	if err := in.placeSocket(ctx); err != nil {
		return err
	}
	if err := in.place(ctx); err != nil || in.offline {
		return err
	}
	if err := in.moveSocket(ctx); err != nil {
		return err
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

// place writes the file, has the unit enabled and the manager read it.
func (in *installer) place(ctx context.Context) error {
	in.report.Wrote = in.u.Path != "" && (in.disk.State != FileText || !bytes.Equal(in.text, in.disk.Raw))
	if err := sweep(in.u.Path); err != nil {
		return fmt.Errorf("service %s: %w", in.u.Name, err)
	}
	if in.report.Wrote {
		if err := writeOver(in.u, in.disk, in.text); err != nil {
			in.report.Wrote = false // what stands there now is not ours to take back
			return err
		}
		in.before.wrote = in.text
	}
	// launchd does not make it, and fails to start without it. In a user's home it is not for root to make.
	if in.spec.LogDir != "" && in.spec.Scope == ScopeUser {
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
	if in.state.ActiveState == "active" && !changed && !in.halted {
		return nil
	}
	in.report.Started = true
	if in.halted {
		return in.h.Start(ctx, in.u)
	}
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
	if in.u.Path != "" && s.FragmentPath != "" && !profiles.SamePlace(s.FragmentPath, in.u.Path) {
		return fmt.Errorf("service %s: the manager loads %s instead of %s; remove that file", in.u.Name, s.FragmentPath, in.u.Path)
	}
	if !in.o.NoStart && s.ActiveState != "active" {
		return fmt.Errorf("service %s: started, but is now %s/%s (%s)", in.u.Name, s.ActiveState, s.SubState, s.Result)
	}
	return nil
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
