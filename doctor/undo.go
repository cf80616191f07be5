package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// Entry is one journal as it is listed.
type Entry struct {
	ID       string    `json:"id"`
	Profile  string    `json:"profile"`
	Kind     Kind      `json:"kind"`
	Of       string    `json:"of,omitempty"` // the journal that it undid
	Made     time.Time `json:"made"`
	Result   Result    `json:"result"`
	Why      string    `json:"why,omitempty"`
	UndoneBy string    `json:"undoneBy,omitempty"`
	Codes    []Code    `json:"codes,omitempty"`
	Steps    []string  `json:"steps"`
	Files    []string  `json:"files"`
}

// Journals lists what was done to a profile, the oldest first. The error tells of
// journals that cannot be read; the others are listed all the same.
func Journals(t Target) ([]Entry, error) {
	all, err := journals(t)
	out := []Entry{}
	for _, j := range all {
		e := Entry{ID: j.ID, Profile: j.Profile, Kind: j.Kind, Of: j.Of, Made: j.Made, Steps: []string{}, Files: []string{}}
		e.Result, e.Why = j.result()
		e.UndoneBy = undoneBy(all, j.ID)
		for i, s := range j.Steps {
			e.Steps = append(e.Steps, s.What)
			for _, c := range s.Codes {
				if !slices.Contains(e.Codes, c) {
					e.Codes = append(e.Codes, c)
				}
			}
			for k, f := range s.Edits {
				if j.made(i, k) || j.Kind == KindInstall {
					e.Files = append(e.Files, f.Path)
				}
			}
		}
		out = append(out, e)
	}
	return out, err
}

func journals(t Target) (all []*journal, err error) {
	var errs []error
	for _, id := range t.journalIDs() {
		j, err := openJournal(t, id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, j)
	}
	return all, errors.Join(errs...)
}

// undoneBy is the undo of a journal that is not undone itself, "" if there is none.
func undoneBy(all []*journal, id string) string {
	for _, j := range slices.Backward(all) {
		if res, _ := j.result(); j.Kind == KindUndo && j.Of == id && res == Applied && undoneBy(all, j.ID) == "" {
			return j.ID
		}
	}
	return ""
}

// Errors of UndoPlan, for errors.Is.
var (
	ErrNothingToUndo = errors.New("there is nothing to undo")
	ErrUndone        = errors.New("it is undone already")
)

// ConflictError says that files are no longer as the journal left them.
type ConflictError struct {
	ID      string
	Changed []*swapfile.ChangedError
}

func (e *ConflictError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "undo of %s: nothing was changed, for these were changed since; put back all the same with --force:", e.ID)
	for _, c := range e.Changed {
		fmt.Fprintf(&b, "\n  %s: was left as %s, is now %s", c.Path, c.Want, c.Have)
	}
	return b.String()
}

// UndoPlan says what would put everything back to how it was before the journal
// with that ID; "" means the last repair or take-over that is not undone. What is
// no longer as the journal left it is a *ConflictError, unless force is set. It
// changes nothing. Apply carries the plan out, and keeps a journal of that too.
func UndoPlan(t Target, o Observation, id string, force bool) (Plan, error) {
	j, err := t.undoable(id)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Profile: t.Profile.Name, Steps: []Step{}, kind: KindUndo, of: j.ID}
	conflict := &ConflictError{ID: j.ID}
	after := j.after()
	for i, s := range slices.Backward(j.Steps) {
		step := Step{What: "undo: " + s.What, Codes: s.Codes, Reversible: true}
		for k, e := range slices.Backward(s.Edits) {
			if j.Kind != KindInstall && !j.made(i, k) {
				continue
			}
			if j.Kind == KindInstall {
				e.After = after[k]
			}
			undo, err := j.undoEdit(e, force)
			if changed, ok := errors.AsType[*swapfile.ChangedError](err); ok {
				conflict.Changed = append(conflict.Changed, changed)
				continue
			}
			if err != nil {
				return Plan{}, err
			}
			if undo.hidden != nil {
				step.Reversible = false // there is no copy of the secret that goes
			}
			if !undo.Empty() {
				step.Edits = append(step.Edits, undo)
			}
		}
		if len(step.Edits) > 0 {
			step.describe()
			p.Steps = append(p.Steps, step)
		}
	}
	if len(conflict.Changed) > 0 {
		return Plan{}, conflict
	}
	if service := t.undoService(j, o); len(service.Actions) > 0 {
		p.Steps = append(p.Steps, service)
	}
	return p, nil
}

// undoable finds the journal that is to be undone.
func (t Target) undoable(id string) (*journal, error) {
	all, err := journals(t)
	if id == "" {
		for _, j := range slices.Backward(all) {
			if res, _ := j.result(); j.Kind != KindUndo && (res == Applied || res == Partly) && undoneBy(all, j.ID) == "" {
				return j, nil
			}
		}
		return nil, errors.Join(fmt.Errorf("profile %s: %w", t.Profile.Name, ErrNothingToUndo), err)
	}
	if !journalID().MatchString(id) {
		return nil, fmt.Errorf("%q is no ID of a repair; list them with: coderclaw %sdoctor undo --list", id, t.Profile.Flag())
	}
	j, err := openJournal(t, id)
	if err != nil {
		return nil, err
	}
	switch res, why := j.result(); {
	case res == RolledBack:
		return nil, fmt.Errorf("undo of %s: %w: it was put back at once (%s)", id, ErrUndone, why)
	case res == Interrupted:
		return nil, fmt.Errorf("undo of %s: it has not ended; end it first with: coderclaw %sdoctor --repair", id, t.Profile.Flag())
	case undoneBy(all, id) != "":
		return nil, fmt.Errorf("undo of %s: %w, by %s", id, ErrUndone, undoneBy(all, id))
	}
	return j, nil
}

// after are the places at the end of an installation.
func (j *journal) after() []swapfile.Place {
	for _, l := range slices.Backward(j.lines) {
		if l.After != nil {
			return l.After
		}
	}
	return nil
}

// undoEdit turns an edit round.
func (j *journal) undoEdit(e journalEdit, force bool) (Edit, error) {
	have, data, err := swapfile.Look(e.Path)
	if err != nil {
		return Edit{}, err
	}
	undo := Edit{Path: e.Path, Before: have, After: e.Before, old: data}
	if have == e.Before {
		return undo, nil // somebody was faster
	}
	if have != e.After {
		switch {
		case !force:
			return undo, &swapfile.ChangedError{Path: e.Path, Want: e.After, Have: have}
		case e.Hidden:
			return undo, fmt.Errorf("undo of %s: %s was changed since, and there is no copy of what it held before, for that were secrets; take out by hand what was set", j.ID, e.Path)
		}
	}
	if undo.new, err = j.old(e, data); err != nil {
		return undo, err
	}
	if e.Before.Kind == swapfile.File && e.Before.Hash == e.After.Hash && have.Hash != e.Before.Hash {
		undo.After.Hash = have.Hash // only permissions were changed; what was written since stays
	}
	if e.Hidden {
		undo.hidden = &hidden{oneWay: true, shown: []string{"what was set is taken out again"}}
	}
	return undo, nil
}

// undoService is what brings the manager's view and what runs back.
func (t Target) undoService(j *journal, o Observation) Step {
	s := Step{What: "bring " + t.Unit.Name + " back to how it was", Reversible: true}
	touched := j.Kind == KindInstall || slices.ContainsFunc(j.Steps, func(s journalStep) bool { return len(s.Actions) > 0 })
	if touched && o.StateErr == nil && j.Service.Known {
		s.Actions = t.serviceActions(j, o.State, true)
	}
	return s
}
