package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/internal/swapfile"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// Outcome is what became of a plan.
type Outcome struct {
	Profile string   `json:"profile"`
	ID      string   `json:"id"` // of the journal, "" when nothing was written
	Kind    Kind     `json:"kind"`
	Result  Result   `json:"result"`
	Why     string   `json:"why,omitempty"`  // it is not simply applied
	Kept    []string `json:"kept,omitempty"` // files that hold what somebody wrote meanwhile
	// After is what was seen when it had ended, nil when nobody looked.
	After *Observation `json:"-"`
}

// Lock is the right to change the service and the files of one profile: repairs,
// undos and installations hold it, one at a time. The profile's state dir is made
// if it is missing.
func Lock(ctx context.Context, p profiles.Profile) (*lockfile.Lock, error) {
	if err := usable(p.StateDir); err != nil {
		return nil, fmt.Errorf("state dir: %w", err)
	}
	lock, err := lockfile.Acquire(ctx, filepath.Join(p.StateDir, "doctor.lock"))
	if _, held := errors.AsType[*lockfile.HeldError](err); held {
		return nil, fmt.Errorf("another repair or installation of profile %s is under way: %w", p.Name, err)
	}
	return lock, err
}

// usable makes a state dir that is missing, and lets its owner into one that is
// closed even to him: no journal could be written there.
func usable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o700 == 0o700 {
		return err
	}
	return os.Chmod(dir, info.Mode()|0o700)
}

// Apply carries out a plan that was made from o, under the profile's lock, and
// keeps a journal of it. Nothing is changed unless all of the plan's files are as o
// shows them. When a step fails, or the service was healthy before and is not
// after, everything is put back; the outcome says so.
func Apply(ctx context.Context, t Target, o Observation, p Plan) (Outcome, error) {
	return apply(ctx, t, o, p, nil)
}

// registry is the path of the registry that the service reads.
func (t Target) registry() string {
	for _, v := range t.Spec.Env {
		if v.Name == "CODERCLAW_REGISTRY" {
			return v.Value
		}
	}
	return ""
}

// touches tells whether the plan edits the file at path.
func (p Plan) touches(path string) bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool {
		return slices.ContainsFunc(s.Edits, func(e Edit) bool { return path != "" && e.Path == SeeThrough(path).Path })
	})
}

// hook is called at the points of a run where a crash may come; only tests have one.
type hook func(point string)

func (h hook) at(point string) {
	if h != nil {
		h(point)
	}
}

func apply(ctx context.Context, t Target, o Observation, p Plan, h hook) (out Outcome, err error) {
	if p.kind == "" {
		p.kind = KindRepair
	}
	out = Outcome{Profile: t.Profile.Name, Kind: p.kind}
	if p.Empty() {
		out.Result = Applied
		return out, nil
	}
	lock, err := Lock(ctx, t.Profile)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if path := t.registry(); p.touches(path) {
		registry, lockErr := lockfile.Acquire(ctx, path+".lock")
		if lockErr != nil {
			return out, fmt.Errorf("registry: %w", lockErr)
		}
		defer func() { err = errors.Join(err, registry.Close()) }()
	}
	r := &run{t: t, hook: h, j: &journal{record: record{
		Version: recordVersion, ID: t.newID(time.Now()), Kind: p.kind, Of: p.of, Made: time.Now().UTC(),
		Profile: t.Profile.Name, Program: t.Spec.Version, Service: serviceOf(t, o),
	}}}
	blobs, err := r.prepare(p)
	if err != nil {
		return out, err
	}
	h.at("prepared")
	if err := r.j.create(t, blobs); err != nil {
		return out, err
	}
	h.at("journalled")
	out = r.finish(ctx)
	prune(t)
	return out, nil
}

// serviceOf is what o shows of the service.
func serviceOf(t Target, o Observation) Service {
	s := Service{Known: o.StateErr == nil, File: o.State.UnitFileState, Enabled: o.State.Enabled(), Active: o.State.ActiveState, Up: up(o.State),
		Stale: o.State.NeedReload}
	s.Healthy = ready(t, o)
	if t.Host.Format() == servicegen.FormatSystemd {
		s.Enabled = s.Enabled && o.Disk.StartedBy(t.Spec.Target())
	}
	return s
}

// run carries out one journal.
type run struct {
	t    Target
	j    *journal
	hook hook
	made map[string][]byte // contents that no journal keeps, by spare; gone after a crash
	kept []string
}

// prepare turns a plan into the steps of a journal, with the contents that it
// keeps. Directories that are missing are made by edits of their own.
func (r *run) prepare(p Plan) (map[string][]byte, error) {
	blobs := map[string][]byte{}
	r.made = map[string][]byte{}
	type standing struct {
		place swapfile.Place
		data  []byte
	}
	now := map[string]standing{} // as the edits so far leave it
	look := func(path string) (standing, error) {
		if s, ok := now[path]; ok {
			return s, nil
		}
		place, data, err := swapfile.Look(path)
		return standing{place, data}, err
	}
	n := 0
	for _, s := range p.Steps {
		step := journalStep{What: s.What, Codes: s.Codes, Actions: s.Actions}
		for _, e := range s.Edits {
			e = e.filled(newSecret)
			parents, err := missingParents(e.Path, func(dir string) bool { _, ok := now[dir]; return ok })
			if err != nil {
				return nil, err
			}
			if e.After.Kind == swapfile.Missing {
				parents = nil
			}
			for _, dir := range parents {
				step.Edits = append(step.Edits, journalEdit{Path: dir, Before: swapfile.Place{Kind: swapfile.Missing},
					After: swapfile.Place{Kind: swapfile.Dir, Mode: r.t.dirMode()}})
				now[dir] = standing{place: swapfile.Place{Kind: swapfile.Dir, Mode: r.t.dirMode()}}
			}
			have, err := look(e.Path)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.What, err)
			}
			if have.place != e.Before {
				return nil, fmt.Errorf("%s: nothing was written: %w", s.What, &swapfile.ChangedError{Path: e.Path, Want: e.Before, Have: have.place})
			}
			je := journalEdit{Path: e.Path, Before: e.Before, After: e.After,
				Spare: filepath.Join(filepath.Dir(e.Path), fmt.Sprintf(".coderclaw-%s-%d.tmp", r.j.ID, n))}
			content := e.Before.Hash != e.After.Hash
			switch {
			case e.hidden != nil && content:
				je.Hidden, r.made[je.Spare] = true, e.new
				if !e.hidden.oneWay {
					je.Back = splicesBack(e.hidden.versions)
				}
			case content:
				if e.Before.Kind == swapfile.File {
					je.Old = fmt.Sprintf("old-%d", n)
					blobs[je.Old] = have.data
				}
				if e.After.Kind == swapfile.File {
					je.New = fmt.Sprintf("new-%d", n)
					blobs[je.New] = e.new
				}
			}
			data := have.data
			if content {
				data = e.new
			}
			now[e.Path] = standing{e.After, data}
			step.Edits = append(step.Edits, je)
			n++
		}
		r.j.Steps = append(r.j.Steps, step)
	}
	return blobs, nil
}

// dirMode is that of directories that are made for files of ours.
func (t Target) dirMode() swapfile.Mode {
	if t.Unit.Scope == servicegen.ScopeSystem {
		return 0o755
	}
	return 0o700
}

// missingParents are the directories above path that are to be made, the outermost
// first; planned tells of those that an earlier edit makes.
func missingParents(path string, planned func(string) bool) ([]string, error) {
	var out []string
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if planned(dir) {
			return out, nil
		}
		_, err := os.Stat(dir)
		switch {
		case err == nil:
			return out, nil
		case !errors.Is(err, os.ErrNotExist):
			return nil, err
		case dir == filepath.Dir(dir):
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append([]string{dir}, out...)
	}
}
