package servicegen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// UninstallOptions changes what Uninstall does.
type UninstallOptions struct {
	Force   bool // removes a file that is not ours, too
	Offline bool // as in InstallOptions
}

// UninstallReport says what Uninstall did.
type UninstallReport struct {
	Path    string
	Found   bool // there was something to remove
	Removed bool // the file is gone; false when there was none
	Stopped bool // it was running
	DropIns []string
	// Elsewhere is the file of a unit of the same name that was left alone, see State.
	Elsewhere string
}

// Uninstall stops u, takes it out of what starts by itself, removes its file and
// makes the manager forget it, so that no unit stays behind as "not-found".
// Drop-ins belong to whoever wrote them: they stay and are reported. Where
// nothing is installed it does nothing. A unit of the name that the manager has
// from another place is not touched.
func Uninstall(ctx context.Context, h Host, u Unit, o UninstallOptions) (UninstallReport, error) {
	r := UninstallReport{Path: u.Path}
	state, err := h.State(ctx, u)
	offline := errors.Is(err, ErrNoBus) && o.Offline
	if err != nil && !offline {
		return r, err
	}
	if r.Elsewhere = state.Elsewhere(u); r.Elsewhere != "" {
		state = State{LoadState: LoadNotFound, ActiveState: "inactive"}
	}
	var disk OnDisk
	if u.Path != "" {
		disk = Observe(h.Format(), u.Path)
		for _, d := range disk.DropIns {
			r.DropIns = append(r.DropIns, d.Path)
		}
	}
	if err := mayRemove(h.Format(), disk, o); err != nil {
		return r, err
	}
	onDisk := u.Path != "" && disk.State != FileMissing
	known := state.LoadState != LoadNotFound && state.LoadState != ""
	up := state.Running() || (state.ActiveState != "inactive" && state.ActiveState != "")
	r.Found = onDisk || known || up || len(disk.Targets) > 0
	if !r.Found {
		return r, nil
	}
	if offline || r.Elsewhere != "" {
		return r, r.removeFiles(u, disk)
	}
	// launchd has a loaded job even when no process of it runs.
	if up || (known && h.Format() == FormatLaunchd) {
		if err := h.Stop(ctx, u); err != nil {
			return r, err
		}
		r.Stopped = up
	}
	// launchd's "disabled" would outlive the plist and refuse the next one.
	if h.Format() != FormatLaunchd {
		if err := h.Disable(ctx, u); err != nil {
			return r, err
		}
	}
	if err := r.removeFiles(u, disk); err != nil {
		return r, err
	}
	if h.Format() == FormatSystemd {
		if err := h.Reload(ctx, u); err != nil {
			return r, err
		}
		if err := h.ResetFailed(ctx, u); err != nil {
			return r, err
		}
	}
	return r, verifyGone(ctx, h, u)
}

func mayRemove(f Format, disk OnDisk, o UninstallOptions) error {
	switch disk.State {
	case FileText:
		if origin := OriginOf(f, disk.Raw); (origin.Kind == OriginNode || origin.Kind == OriginOther) && !o.Force {
			return &ForeignFileError{Path: disk.Path, Origin: origin}
		}
	case FileDirectory, FileSpecial:
		return fmt.Errorf("%s is not a file; move it away", disk.Path)
	case FileUnreadable:
		return fmt.Errorf("service file: %w", disk.Err)
	}
	return nil
}

func (r *UninstallReport) removeFiles(u Unit, seen OnDisk) error {
	if u.Path == "" {
		return nil
	}
	if err := sweep(u.Path); err != nil {
		return fmt.Errorf("service %s: %w", u.Name, err)
	}
	for _, link := range startLinks(u.Path) {
		if err := removeIfThere(link); err != nil {
			return fmt.Errorf("service %s: %w", u.Name, err)
		}
		_ = os.Remove(filepath.Dir(link)) // succeeds when it held nothing else
	}
	if seen.State == FileMissing {
		return nil
	}
	if err := removeSeen(u, seen); err != nil {
		return err
	}
	r.Removed = true
	return nil
}

// removeSeen removes the file of u as it was seen: one that somebody has put in its
// place since, as while the service was being stopped, stays.
func removeSeen(u Unit, seen OnDisk) error {
	if seen.Link != "" || seen.State != FileText {
		// A link goes with the others that systemd removes on disabling.
		if err := removeIfThere(u.Path); err != nil {
			return fmt.Errorf("service %s: %w", u.Name, err)
		}
		return nil
	}
	err := place{path: u.Path}.restoreOver(seen.Raw, swapfile.ModeOf(seen.Mode))
	if changed, ok := errors.AsType[*swapfile.ChangedError](err); ok {
		return fmt.Errorf("service %s: somebody else has just changed %s; look at it, then try again: %w", u.Name, u.Path, changed)
	}
	if err != nil {
		return fmt.Errorf("service %s: remove %s: %w", u.Name, u.Path, err)
	}
	return nil
}

// startLinks are wantLinks and those by which targets need or uphold the unit,
// which only a hand makes.
func startLinks(unitPath string) []string {
	dir, name := filepath.Split(unitPath)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".wants", ".requires", ".upholds":
			link := filepath.Join(dir, e.Name(), name)
			if _, err := os.Lstat(link); err == nil {
				out = append(out, link)
			}
		}
	}
	return out
}

func verifyGone(ctx context.Context, h Host, u Unit) error {
	s, err := h.State(ctx, u)
	if err != nil {
		return err
	}
	if s.LoadState != LoadNotFound {
		return fmt.Errorf("service %s: still %s after its removal, from %q", u.Name, s.LoadState, s.FragmentPath)
	}
	return nil
}
