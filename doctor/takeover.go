package doctor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// Taking is the journal of a take-over that another package carries out: an
// installation by force in the place of somebody else's service file.
type Taking struct{ r *run }

// Take notes what is about to be replaced: the service file, the links that enable
// it, its drop-ins' directory being left alone, and whether the service is enabled and
// runs. The journal is on disk when it returns. The caller holds the profile's
// Lock from before this until after Close.
func Take(ctx context.Context, t Target, what string) (*Taking, error) {
	o := Observe(ctx, t)
	r := &run{t: t, j: &journal{record: record{
		Version: recordVersion, ID: t.newID(time.Now()), Kind: KindInstall, Made: time.Now().UTC(),
		Profile: t.Profile.Name, Program: t.Spec.Version, Service: serviceOf(t, o),
	}}}
	blobs := map[string][]byte{}
	step := journalStep{What: what, Codes: []Code{UnitForeign}}
	paths := []string{SeeThrough(t.Unit.Path).Path}
	if own := See(t.Unit.Path); own.Path != paths[0] {
		paths = append(paths, own.Path)
	}
	links, err := filepath.Glob(filepath.Join(filepath.Dir(t.Unit.Path), "*.wants", t.Unit.Name))
	if err != nil {
		return nil, err
	}
	for _, path := range append(paths, links...) {
		step.note(path, blobs)
	}
	if want := t.wantLink(); See(want).Place.Kind == swapfile.Missing {
		step.note(want, blobs)
	}
	for _, e := range step.Edits {
		if e.Before.Kind == "" {
			return nil, fmt.Errorf("%s cannot be read, so that it could not be given back", e.Path)
		}
	}
	r.j.Steps = []journalStep{step}
	if err := r.j.create(t, blobs); err != nil {
		return nil, err
	}
	return &Taking{r}, nil
}

func (s *journalStep) note(path string, blobs map[string][]byte) {
	seen := See(path)
	e := journalEdit{Path: path, Before: seen.Place}
	if seen.Place.Kind == swapfile.File {
		e.Old = fmt.Sprintf("old-%d", len(s.Edits))
		blobs[e.Old] = seen.Raw
	}
	s.Edits = append(s.Edits, e)
}

// ID names the journal, for doctor undo.
func (t *Taking) ID() string { return t.r.j.ID }

// Close notes what stands there now. When that is what stood there before, the
// take-over counts as rolled back.
func (t *Taking) Close(ctx context.Context) error {
	out := t.r.closeInstall(ctx, "")
	if out.Result == Partly {
		return errors.New(out.Why)
	}
	prune(t.r.t)
	return nil
}

// closeInstall ends a journal of KindInstall.
func (r *run) closeInstall(_ context.Context, why string) Outcome {
	out := Outcome{Profile: r.t.Profile.Name, ID: r.j.ID, Kind: r.j.Kind, Result: RolledBack, Why: why}
	var after []swapfile.Place
	for _, s := range r.j.Steps {
		for _, e := range s.Edits {
			have, _, err := swapfile.Look(e.Path)
			if err != nil {
				out.Why = joinWhy(out.Why, oneLine(err))
			}
			after = append(after, have)
			if have != e.Before {
				out.Result = Applied
			}
		}
	}
	if out.Result == RolledBack {
		out.Why = joinWhy(out.Why, "everything is as it was")
	}
	if err := r.j.add(line{End: out.Result, Why: out.Why, After: after}); err != nil {
		out.Result, out.Why = Partly, oneLine(err)
	}
	return out
}
