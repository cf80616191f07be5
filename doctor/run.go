package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coderclaw/coderclaw/internal/swapfile"
	"github.com/coderclaw/coderclaw/servicegen"
)

// backTime bounds the way back after a failure, beyond the stop time-out of the
// service: the caller may have given up, but half a repair must not stay.
const backTime = 60 * time.Second

// finish carries the journal out from where it stands, and looks whether the
// service is none the worse for it. It ends the journal.
func (r *run) finish(ctx context.Context) Outcome {
	err := r.forward(ctx)
	if err != nil && !r.keepGoing(err) {
		return r.putBack(ctx, err.Error())
	}
	r.hook.at("verify")
	after := settle(ctx, r.t)
	if why := r.worse(after); why != "" && r.j.Kind == KindRepair {
		return r.putBack(ctx, why)
	}
	r.hook.at("verified")
	why := ""
	if err != nil {
		why = err.Error()
	}
	return r.end(Applied, why, &after)
}

// keepGoing tells whether what was done stays although err came: files are all as
// planned, and there was no running service to lose, or undo was asked for.
func (r *run) keepGoing(err error) bool {
	_, files := errors.AsType[*fileError](err)
	return !files && (r.j.Kind == KindUndo || !r.j.Service.Up)
}

// fileError is that of an edit.
type fileError struct{ error }

func (e *fileError) Unwrap() error { return e.error }

// forward makes the edits and carries out the actions that are not noted as done.
// It stops at the first edit that fails; of the actions after it all are tried.
func (r *run) forward(ctx context.Context) error {
	var failed []error
	for i, s := range r.j.Steps {
		for k, e := range s.Edits {
			if r.j.made(i, k) {
				continue
			}
			r.hook.at("edit")
			err := ctx.Err()
			if err == nil {
				err = r.edit(e)
			}
			if err != nil {
				return &fileError{fmt.Errorf("%s: %w", s.What, err)}
			}
			r.hook.at("edited")
			if err := r.j.add(line{Step: i, Edit: &k}); err != nil {
				return &fileError{err}
			}
		}
		for k, a := range s.Actions {
			if r.j.acted(i, k) {
				continue
			}
			r.hook.at("action")
			if err := r.t.act(ctx, a); err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", s.What, err))
				if r.j.Service.Up && r.j.Kind != KindUndo {
					return errors.Join(failed...)
				}
				continue
			}
			r.hook.at("acted")
			if err := r.j.add(line{Step: i, Action: &k}); err != nil {
				return &fileError{err}
			}
		}
	}
	return errors.Join(failed...)
}

// edit makes one edit unless it is made already.
func (r *run) edit(e journalEdit) error {
	c := swapfile.Change{Path: e.Path, From: e.Before, To: e.After, Spare: e.Spare}
	have, _, err := swapfile.Look(e.Path)
	if err != nil || have == e.After {
		return err
	}
	switch {
	case r.lost(e):
		return nil // it is planned anew
	case e.Hidden:
		c.Data = r.made[e.Spare]
	case e.New != "":
		if c.Data, err = r.j.blob(e.New, e.After); err != nil {
			return err
		}
	}
	return r.note(r.t.change(c))
}

// lost tells whether the content that a file was to have died with the process that
// had made it.
func (r *run) lost(e journalEdit) bool {
	_, ok := r.made[e.Spare]
	return e.Hidden && e.After.Kind == swapfile.File && !ok
}

// note keeps in mind where a version lies that somebody wrote meanwhile.
func (r *run) note(err error) error {
	if changed, ok := errors.AsType[*swapfile.ChangedError](err); ok && changed.Kept != "" {
		r.kept = append(r.kept, changed.Kept)
	}
	return err
}

// putBack undoes what was done, the last first, and brings the service back to
// where it was. What somebody changed since stays as it is.
func (r *run) putBack(ctx context.Context, why string) Outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.t.Spec.StopTimeout+backTime)
	defer cancel()
	var errs []error
	if r.j.back() == "" {
		if err := r.j.add(line{Back: why}); err != nil {
			errs = append(errs, err)
		}
	}
	r.hook.at("back")
	for i, s := range slices.Backward(r.j.Steps) {
		for k, e := range slices.Backward(s.Edits) {
			if err := r.unedit(i, k, e); err != nil {
				errs = append(errs, err)
			}
			r.hook.at("put back")
		}
	}
	if err := r.serviceBack(ctx); err != nil {
		errs = append(errs, err)
	}
	r.hook.at("service back")
	after := settle(ctx, r.t)
	if r.j.Service.Healthy && !ready(r.t, after) {
		errs = append(errs, fmt.Errorf("the service is not what it was: %s", unready(r.t, after)))
	}
	if err := errors.Join(errs...); err != nil {
		return r.end(Partly, why+"; putting everything back failed: "+oneLine(err), &after)
	}
	return r.end(RolledBack, why, &after)
}

// unedit puts back one edit, whether or not it was noted before a crash.
func (r *run) unedit(step, k int, e journalEdit) error {
	have, data, err := swapfile.Look(e.Path)
	if err != nil {
		return err
	}
	noted := r.j.made(step, k)
	if have != e.After || e.After == e.Before {
		if noted && have != e.Before {
			return &swapfile.ChangedError{Path: e.Path, Want: e.After, Have: have}
		}
		return nil
	}
	c := swapfile.Change{Path: e.Path, From: e.After, To: e.Before, Spare: e.Spare}
	if c.Data, err = r.j.old(e, data); err != nil {
		return err
	}
	if err := r.note(r.t.change(c)); err != nil {
		return err
	}
	return r.j.add(line{Step: step, Edit: &k, Undone: true})
}

// old is the content that the file of an edit had before; now is what it has after.
func (j *journal) old(e journalEdit, now []byte) ([]byte, error) {
	switch {
	case e.Before.Kind != swapfile.File || e.Before.Hash == e.After.Hash:
		return nil, nil
	case !e.Hidden:
		return j.blob(e.Old, e.Before)
	}
	text, err := spliced(now, e.Back)
	if err == nil && swapfile.Hash(text) != e.Before.Hash {
		err = errors.New("the content before cannot be made again")
	}
	if err != nil {
		return nil, fmt.Errorf("journal %s: %s: %w", j.ID, e.Path, err)
	}
	return text, nil
}

// serviceBack brings the manager's view and what runs back to what the journal
// began with.
func (r *run) serviceBack(ctx context.Context) error {
	acted := slices.ContainsFunc(r.j.Steps, func(s journalStep) bool { return len(s.Actions) > 0 })
	if !r.j.Service.Known || !acted {
		return nil
	}
	now, err := r.t.Host.State(ctx, r.t.Unit)
	if err != nil {
		return err
	}
	for _, a := range r.t.serviceActions(r.j, now, false) {
		if err := r.t.act(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// serviceActions are what brings the service from now to how it was when the
// journal began, once its files are back. With undo what runs in order is left
// alone where it can be.
func (t Target) serviceActions(j *journal, now servicegen.State, undo bool) []Action {
	var out []Action
	was, launchd := j.Service, t.Host.Format() == servicegen.FormatLaunchd
	// The manager had another copy than the disk, and has it again.
	asItWas := undo && was.Stale && !launchd
	if !asItWas {
		out = append(out, t.do(VerbReload))
	}
	// What enables a systemd unit is a link, which is a file that is put back.
	if t.Host.Format() != servicegen.FormatSystemd || j.asked(VerbEnable, VerbDisable) {
		switch {
		case was.Enabled && !now.Enabled():
			out = append(out, t.do(VerbEnable))
		case !was.Enabled && now.Enabled():
			out = append(out, t.do(VerbDisable))
		}
	}
	switch {
	case !was.Up && was.Known && up(now):
		out = append(out, t.do(VerbStop), t.do(VerbReset))
	case !was.Up || asItWas || !t.startable(j):
	case !up(now) || launchd: // there a reload begins with an end
		out = append(out, t.do(VerbStart))
	case j.asked(VerbStart, VerbRestart, VerbReexec) || j.Kind == KindInstall:
		out = append(out, t.do(VerbRestart))
	case j.asked(VerbGateway):
		out = append(out, t.do(VerbGateway))
	}
	return out
}

// asked tells whether one of the journal's actions is one of these.
func (j *journal) asked(verbs ...Verb) bool {
	return slices.ContainsFunc(j.Steps, func(s journalStep) bool {
		return slices.ContainsFunc(s.Actions, func(a Action) bool { return slices.Contains(verbs, a.Verb) })
	})
}

// startable tells whether the service could be started from its file as it was
// before: where it was gone, empty or masked, what runs of it cannot be had again.
func (t Target) startable(j *journal) bool {
	for _, s := range j.Steps {
		for _, e := range s.Edits {
			if e.Path == t.Unit.Path {
				return e.Before.Kind == swapfile.File && e.Before.Hash != swapfile.Hash(nil)
			}
		}
	}
	return true
}

// end closes the journal.
func (r *run) end(res Result, why string, after *Observation) Outcome {
	r.hook.at("end")
	after.Unfinished = slices.DeleteFunc(after.Unfinished, func(id string) bool { return id == r.j.ID }) // it ends here
	out := Outcome{Profile: r.t.Profile.Name, ID: r.j.ID, Kind: r.j.Kind, Result: res, Why: why, Kept: r.kept, After: after}
	if err := r.j.add(line{End: res, Why: why, Kept: r.kept}); err != nil {
		out.Result, out.Why = Partly, joinWhy(why, oneLine(err))
	}
	r.hook.at("ended")
	return out
}
