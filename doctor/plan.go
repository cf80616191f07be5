package doctor

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/servicegen"
)

// Plan is what would make findings of one profile go away, in the order in which
// it is done. It is a value, and the same for the same observation and findings.
type Plan struct {
	Profile string `json:"profile"`
	Steps   []Step `json:"steps"`
	// Withheld are the aggressive steps that are taken only by force.
	Withheld []Step `json:"withheld,omitempty"`

	kind Kind   // "" for KindRepair
	of   string // the journal that it undoes
}

// Step is one thing that a repair does: edits of files, then requests to the
// service manager. All of it is data.
type Step struct {
	What  string `json:"what"`           // for people
	Codes []Code `json:"codes"`          // of the findings that it is for
	Diff  string `json:"diff,omitempty"` // what changes on disk, exactly, with secrets masked
	// Reversible tells whether undo brings back everything that the step changes.
	// What a service that is restarted did in memory is gone either way.
	Reversible bool `json:"reversible"`
	// Aggressive marks a step that takes away what somebody made on purpose.
	Aggressive bool     `json:"aggressive,omitempty"`
	Edits      []Edit   `json:"edits,omitempty"`
	Actions    []Action `json:"actions,omitempty"`
}

// Verb is what a service manager, or the supervisor, can be asked for.
type Verb string

// The verbs. All of them can be asked for twice.
const (
	VerbReload  Verb = "reload"       // read the service files again
	VerbEnable  Verb = "enable"       // start it with its manager; lifts a mask
	VerbDisable Verb = "disable"      // the reverse of VerbEnable
	VerbReset   Verb = "reset-failed" // forget failures and the count of starts
	VerbStart   Verb = "start"
	VerbStop    Verb = "stop"
	VerbRestart Verb = "restart"
	VerbGateway Verb = "restart-gateway" // have the supervisor replace the profile's gateway, whoever started that supervisor
	VerbLinger  Verb = "enable-linger"   // let services of the user run without a login
	VerbReexec  Verb = "reexec"          // replace the supervisor in its place and restart the gateway; where that cannot be, VerbRestart
)

// Action asks for one thing about one unit.
type Action struct {
	Verb  Verb             `json:"verb"`
	Unit  string           `json:"unit"`
	Path  string           `json:"path,omitempty"`  // of its file
	Scope servicegen.Scope `json:"scope,omitempty"` // "" for that of the target
}

// do is the action about the target's own unit.
func (t Target) do(v Verb) Action {
	return Action{Verb: v, Unit: t.Unit.Name, Path: t.Unit.Path, Scope: t.Unit.Scope}
}

// remedy makes the steps against the findings of some codes. It is a function of
// what it is given: whatever it has to know is in the observation.
type remedy struct {
	codes []Code
	// force marks what is done by force only, and then against findings too that are
	// not Repairable.
	force bool
	steps func(t Target, o Observation, found []Finding) ([]Step, error)
}

// remedies lists them in the order in which they are applied.
func remedies() []remedy {
	return slices.Concat(fileRemedies(), permissionRemedies(), machineRemedies(), unitRemedies())
}

// PlanOptions narrows or widens a plan.
type PlanOptions struct {
	Only  []Code // against these alone; empty: against all
	Force bool   // with the aggressive steps
}

// MakePlan says what would make the repairable findings go away. It changes and
// reads nothing.
func MakePlan(t Target, o Observation, findings []Finding, opt PlanOptions) (Plan, error) {
	p := Plan{Profile: t.Profile.Name, Steps: []Step{}}
	var errs []error
	for _, r := range remedies() {
		var found []Finding
		for _, f := range findings {
			wanted := len(opt.Only) == 0 || slices.Contains(opt.Only, f.Code)
			if wanted && slices.Contains(r.codes, f.Code) && (f.Repairable || r.force) {
				found = append(found, f)
			}
		}
		if len(found) == 0 {
			continue
		}
		steps, err := r.steps(t, o, found)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, s := range steps {
			s.complete(r, found)
			if s.Aggressive && !opt.Force {
				p.Withheld = append(p.Withheld, s)
			} else {
				p.Steps = append(p.Steps, s)
			}
		}
	}
	p.Steps, p.Withheld = merged(onePerPath(p.Steps)), merged(p.Withheld)
	slices.SortStableFunc(p.Steps, func(a, b Step) int { return cmp.Compare(a.phase(), b.phase()) })
	return p, errors.Join(errs...)
}

// complete fills in what follows from the rest.
func (s *Step) complete(r remedy, found []Finding) {
	s.Aggressive = s.Aggressive || r.force
	if s.Codes == nil {
		for _, f := range found {
			if !slices.Contains(s.Codes, f.Code) {
				s.Codes = append(s.Codes, f.Code)
			}
		}
	}
}

// describe sets what changes on disk.
func (s *Step) describe() {
	var b strings.Builder
	for _, e := range s.Edits {
		b.WriteString(e.Diff())
	}
	s.Diff = b.String()
}

// onePerPath joins the edits of one path where several remedies want one. The
// content of a file can be what only one of them wants: the next waits for another plan.
func onePerPath(steps []Step) []Step {
	type place struct{ step, edit int }
	first := map[string]place{}
	for i := range steps {
		var kept []Edit
		for _, e := range steps[i].Edits {
			at, again := first[e.Path]
			if !again {
				first[e.Path] = place{i, len(kept)}
				kept = append(kept, e)
				continue
			}
			edits := steps[at.step].Edits
			if at.step == i {
				edits = kept
			}
			edits[at.edit] = edits[at.edit].joined(e)
		}
		steps[i].Edits = kept
	}
	return steps
}

// joined is e with what other changes besides, both made from the same place.
func (e Edit) joined(other Edit) Edit {
	if e.Before != other.Before || e.After.Kind != other.After.Kind || e.After.Kind != e.Before.Kind {
		return e
	}
	if e.After.Mode == e.Before.Mode {
		e.After.Mode = other.After.Mode
	}
	if e.After.Hash == e.Before.Hash {
		e.After.Hash, e.new, e.hidden = other.After.Hash, other.new, other.hidden
	}
	return e
}

// merged joins what several remedies want: the manager is asked for a thing once,
// after the last edit that it is asked for, and a restart is a start too.
func merged(steps []Step) []Step {
	strongest := map[string]int{} // by unit, the place of its last request to run
	rank := map[Verb]int{VerbStart: 1, VerbGateway: 1, VerbReexec: 2, VerbRestart: 3}
	type request struct{ step, action int }
	keep := map[Action]request{}
	for i, s := range steps {
		for j, a := range s.Actions {
			keep[a] = request{i, j}
			if rank[a.Verb] > 0 {
				strongest[a.Unit] = max(strongest[a.Unit], rank[a.Verb])
			}
		}
	}
	out := []Step{}
	for i, s := range steps {
		var actions []Action
		for j, a := range s.Actions {
			if keep[a] == (request{i, j}) && (rank[a.Verb] == 0 || rank[a.Verb] == strongest[a.Unit]) {
				actions = append(actions, a)
			}
		}
		s.Actions = actions
		s.describe()
		if len(s.Actions) > 0 || len(s.Edits) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// phase orders steps: files first, then what makes a manager know of them, then
// what runs.
func (s Step) phase() (last int) {
	phases := map[Verb]int{VerbReset: 1, VerbReload: 1, VerbEnable: 1, VerbDisable: 1, VerbLinger: 1, VerbStop: 2, VerbStart: 3, VerbRestart: 3, VerbReexec: 3, VerbGateway: 3}
	for _, a := range s.Actions {
		last = max(last, phases[a.Verb])
	}
	return last
}

// Empty tells whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Steps) == 0 }
