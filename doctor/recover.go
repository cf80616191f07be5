package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// unfinished are the IDs of the journals of t that have not ended. Those that
// cannot be read are named in the error, and never used.
func unfinished(t Target) (ids []string, err error) {
	err = t.keeping(func() error {
		ids, err = unfinishedNow(t)
		return err
	})
	return ids, err
}

func unfinishedNow(t Target) (ids []string, err error) {
	var errs []error
	parent := journalDir(t)
	for _, id := range journalIDs(parent) {
		if ended(filepath.Join(parent, id)) {
			continue
		}
		if _, err := openJournal(t, id); err != nil {
			errs = append(errs, err)
			continue
		}
		ids = append(ids, id)
	}
	return ids, errors.Join(errs...)
}

// Recover ends what an earlier run was interrupted in: a repair or an undo that
// can still be finished is finished, any other is put back, and the outcome says
// why. Where nothing is open it writes nothing. The error tells of journals that
// cannot be read, too; those are left alone.
func Recover(ctx context.Context, t Target) ([]Outcome, error) { return recoverAll(ctx, t, nil) }

func recoverAll(ctx context.Context, t Target, h hook) (out []Outcome, err error) {
	if ids, err := unfinished(t); len(ids) == 0 {
		return nil, err
	}
	lock, err := Lock(ctx, t.Profile)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	ids, unreadable := unfinished(t) // those of a run that was under way have ended
	for _, id := range ids {
		j, err := openJournal(t, id)
		if err != nil {
			return out, errors.Join(unreadable, err)
		}
		r := &run{t: t, j: j, hook: h}
		out = append(out, r.resume(ctx))
	}
	return out, unreadable
}

// resume carries on with a journal after a crash.
func (r *run) resume(ctx context.Context) Outcome {
	if r.j.Kind == KindInstall {
		return r.closeInstall(ctx, "the installation was interrupted")
	}
	const was = "it was interrupted"
	if err := r.settleSpares(); err != nil {
		return r.putBack(ctx, was+", and cannot be finished: "+oneLine(err))
	}
	if why := r.j.back(); why != "" {
		return r.putBack(ctx, why)
	}
	if r.j.Program != r.t.Spec.Version {
		return r.putBack(ctx, fmt.Sprintf("%s, and was begun by version %s of this program", was, r.j.Program))
	}
	if changed := r.changed(); len(changed) > 0 {
		return r.putBack(ctx, was+", and cannot be finished: changed since: "+strings.Join(changed, ", "))
	}
	if lost := r.lostFiles(); len(lost) > 0 && r.j.Kind == KindUndo {
		return r.putBack(ctx, was+", and cannot be finished: there is no copy of what was to be in "+strings.Join(lost, ", "))
	}
	out := r.finish(ctx)
	if out.Result == Applied {
		out.Why = joinWhy(was+", and was finished: all its files were as it knew them", out.Why)
	}
	return out
}

// settleSpares clears what lies beside the files since the crash, in whichever
// direction it came.
func (r *run) settleSpares() error {
	back := r.j.back() != ""
	for _, s := range r.j.Steps {
		for _, e := range s.Edits {
			if e.Spare == "" {
				continue
			}
			c := swapfile.Change{Path: e.Path, From: e.Before, To: e.After, Spare: e.Spare}
			if back {
				c.From, c.To = c.To, c.From
			}
			kept, err := r.t.settle(c)
			if err != nil {
				return err
			}
			if kept != "" {
				r.kept = append(r.kept, kept)
			}
		}
	}
	return nil
}

// changed names the files of edits yet to be made that are neither as they were
// nor as they are to be.
func (r *run) changed() []string {
	var out []string
	done := map[string]swapfile.Place{} // as the edits before leave it
	for i, s := range r.j.Steps {
		for k, e := range s.Edits {
			have, known := done[e.Path]
			if !known {
				have, _, _ = swapfile.Look(e.Path) // what cannot be looked at has changed
			}
			if !r.j.made(i, k) && have != e.Before && have != e.After {
				out = append(out, e.Path)
			}
			if have == e.Before {
				have = e.After
			}
			done[e.Path] = have
		}
	}
	return out
}

// lostFiles names the files of edits yet to be made whose content is lost.
func (r *run) lostFiles() (out []string) {
	for i, s := range r.j.Steps {
		for k, e := range s.Edits {
			if have, _, err := swapfile.Look(e.Path); r.lost(e) && !r.j.made(i, k) && (err != nil || have != e.After) {
				out = append(out, e.Path)
			}
		}
	}
	return out
}

// How many journals are kept, and how large they may be together, in bytes.
const (
	keepJournals = 20
	keepBytes    = 16 << 20
)

// prune removes the oldest journals that have ended. The newest is kept whatever its size.
func prune(t Target) {
	_ = t.keeping(func() error { pruneNow(t); return nil }) // tried again next time
}

func pruneNow(t Target) {
	parent := journalDir(t)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries { // half a journal of a process that died while it wrote it
		if strings.HasPrefix(e.Name(), ".new-") {
			_ = os.RemoveAll(filepath.Join(parent, e.Name())) // tried again next time
		}
	}
	var total int64
	ids := journalIDs(parent)
	for n, id := range slices.Backward(ids) {
		dir := filepath.Join(parent, id)
		total += sizeOf(dir)
		newer := len(ids) - 1 - n
		if newer > 0 && (newer >= keepJournals || total > keepBytes) && ended(dir) {
			_ = os.RemoveAll(dir) // tried again next time
		}
	}
}

func sizeOf(dir string) (n int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
	}
	return n
}

// ended tells whether a journal has an end, or has no log that can be read.
func ended(dir string) bool {
	text, err := readAtMost(filepath.Join(dir, "log"), maxJournalFile)
	if err != nil {
		return true
	}
	lines, err := readLog(text)
	return err != nil || len(lines) > 0 && lines[len(lines)-1].End != ""
}
