package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/swapfile"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// at is what was seen at a path that Observe looks at for edits.
func (o Observation) at(path string) (Seen, error) {
	s, ok := o.Places[path]
	switch {
	case !ok:
		return Seen{}, fmt.Errorf("%s was not looked at", path)
	case s.Err != nil:
		return Seen{}, s.Err
	}
	return s, nil
}

// see looks at what the paths lead to.
func (o *Observation) see(paths ...string) {
	if o.Places == nil {
		o.Places = map[string]Seen{}
	}
	for _, path := range paths {
		o.Places[path] = SeeThrough(path)
	}
}

// fileRemedies are those against what is wrong with the profile's own files.
func fileRemedies() []remedy {
	return []remedy{
		{codes: []Code{StateDirMode}, steps: func(t Target, o Observation, _ []Finding) ([]Step, error) {
			return closeToOthers(o, t.Profile.StateDir, 0o700)
		}},
		{codes: []Code{ConfigMode}, steps: func(t Target, o Observation, _ []Finding) ([]Step, error) {
			return closeToOthers(o, t.Profile.ConfigPath, 0o600)
		}},
		{codes: []Code{ConfigMissing, ConfigIncomplete}, steps: func(t Target, o Observation, _ []Finding) ([]Step, error) {
			return setUp(t, o)
		}},
	}
}

// closeToOthers makes a path accessible to its owner alone.
func closeToOthers(o Observation, path string, mode os.FileMode) ([]Step, error) {
	s, err := o.at(path)
	if err != nil {
		return nil, err
	}
	return []Step{{What: fmt.Sprintf("make %s private (%04o)", path, mode), Reversible: true, Edits: []Edit{s.Chmod(mode)}}}, nil
}

// setUp adds to the config what it lacks, and makes the directories and files that
// a new profile has. What is set is named; the values are secrets.
func setUp(t Target, o Observation) ([]Step, error) {
	if o.SetupErr != nil {
		return nil, o.SetupErr
	}
	step := Step{What: "set up " + t.Profile.ConfigPath, Reversible: true}
	for _, p := range o.Setup {
		s := Seen{Path: p.Path, Place: swapfile.Place{Kind: swapfile.Missing}}
		switch {
		case p.Path == t.Profile.StateDir: // the journal lies there, so it is made before
		case p.Dir:
			step.Edits = append(step.Edits, s.Mkdir(0o700))
		case p.Versions == nil:
			step.Edits = append(step.Edits, s.Write(p.Data, 0o600))
		default:
			s, err := o.at(p.Path)
			if err != nil {
				return nil, err
			}
			e := s.Write(p.Data, 0o600)
			e.hidden = &hidden{versions: p.Versions, shown: p.Set}
			step.Edits = append(step.Edits, e)
		}
	}
	steps := []Step{step}
	if o.Supervisor != nil && o.Wish != control.WantStopped {
		// It runs with another config, or its last good one, whose credential nobody has any more.
		steps = append(steps, t.runStep(VerbGateway))
	}
	return steps, nil
}

// unitRemedies are those against what is wrong with the service.
func unitRemedies() []remedy {
	return []remedy{
		{codes: []Code{UnitForeign, UnitNode, UnitOtherRegistry}, force: true, steps: takeOver},
		{codes: []Code{DropInOverride, DropInBreaks, UnitStopClock, UnitStartLimit, UnitPort, UnitEnvExtra, UnitSecret}, force: true, steps: dropDropIns},
		{codes: []Code{UnitDeleted, UnitEmpty, UnitMasked, UnitDangling, UnitUnparsable, UnitExecDrift, UnitWrongProfile, UnitProgram, BinaryMissing, UnitEnvExtra,
			UnitEnvDrift, UnitPort, UnitSecret, UnitKeyMissing, UnitKeyExtra, UnitKeyDrift, UnitOutdated, UnitStopClock, UnitStartLimit}, steps: ofFile(writeUnit)},
		{codes: []Code{UnitDisabled, UnitDeleted, UnitEmpty, UnitMasked, UnitDangling}, steps: enable},
		{codes: []Code{UnitStale}, steps: reload},
		{codes: []Code{UnitFailed, UnitStartLimitHit, UnitStopped}, steps: start},
		{codes: []Code{UnitOldProcess}, steps: func(t Target, o Observation, _ []Finding) ([]Step, error) { return restart(t, o, VerbRestart) }},
		{codes: []Code{BinaryReplaced}, steps: func(t Target, o Observation, _ []Finding) ([]Step, error) { return restart(t, o, VerbReexec) }},
		{codes: []Code{CredentialNotApplied}, steps: applyCredential},
	}
}

// blocked tells whether something stands in the unit's place that only force, or
// nobody, may touch.
func (t Target) blocked(o Observation) bool {
	switch o.Disk.State {
	case servicegen.FileDirectory, servicegen.FileSpecial, servicegen.FileUnreadable:
		return true
	case servicegen.FileText:
		kind := servicegen.OriginOf(t.Host.Format(), o.Disk.Raw).Kind
		return kind == servicegen.OriginNode || kind == servicegen.OriginOther || o.Stranger != nil
	}
	return false
}

// unitSeen is what stands in the place of the unit file, as an edit needs it.
func (t Target) unitSeen(o Observation) (Seen, error) {
	d := o.Disk
	s := Seen{Path: t.Unit.Path}
	switch d.State {
	case servicegen.FileMissing:
		s.Place.Kind = swapfile.Missing
	case servicegen.FileMasked, servicegen.FileDangling:
		s.Place = swapfile.Place{Kind: swapfile.Link, Target: d.Link}
	case servicegen.FileText, servicegen.FileEmpty:
		if d.Link != "" {
			real, err := o.at(t.Unit.Path)
			if err != nil {
				return s, err
			}
			s.Path = real.Path
		}
		s.Place, s.Raw = swapfile.Holds(d.Raw, swapfile.ModeOf(d.Mode)), d.Raw
	default:
		return s, fmt.Errorf("%s is not a file; move it away", d.Path)
	}
	return s, nil
}

// unitMode are the permissions of a service file, as an installation gives them.
func (t Target) unitMode() os.FileMode {
	if t.Unit.Scope == servicegen.ScopeSystem {
		return 0o644
	}
	return 0o600
}

// writeUnit gives the unit file the managed settings; the rest of it stays.
func writeUnit(t Target, o Observation, _ []Finding) ([]Step, error) {
	if t.blocked(o) {
		return nil, nil
	}
	want, err := t.wanted(o)
	if err != nil {
		return nil, err
	}
	return t.write(o, want, "write "+t.Unit.Path)
}

// wanted is the text that the unit file gets.
func (t Target) wanted(o Observation) ([]byte, error) {
	if o.Disk.State != servicegen.FileText {
		return t.Spec.Render()
	}
	return servicegen.Rewrite(o.Disk.Raw, t.Spec)
}

func (t Target) write(o Observation, text []byte, what string) ([]Step, error) {
	s, err := t.unitSeen(o)
	if err != nil {
		return nil, err
	}
	step := Step{What: what, Reversible: true, Edits: []Edit{s.Write(text, t.unitMode())}}
	if dir := t.Spec.LogDir; dir != "" { // launchd does not make it, and fails to start without it
		if seen, err := o.at(dir); err == nil && seen.Place.Kind == swapfile.Missing {
			step.Edits = append(step.Edits, seen.Mkdir(0o700))
		}
	}
	o.Disk.State, o.Disk.Raw = servicegen.FileText, text
	return append([]Step{step}, t.reloaded(o, t.onDisk(o))...), nil
}

// reloaded makes the manager know of the service file as it will be then, want.
// What runs is restarted when it was started from something that says anything
// else about a managed key.
func (t Target) reloaded(o Observation, want servicegen.View) []Step {
	if o.StateErr != nil {
		return nil // it reads the files when it comes
	}
	steps := []Step{{What: "have the service manager read " + t.Unit.Name + " again", Reversible: true, Actions: []Action{t.do(VerbReload)}}}
	launchd := t.Host.Format() == servicegen.FormatLaunchd // there a reload ends what runs
	switch {
	case o.Wish == control.WantStopped || !up(o.State):
	case launchd:
		steps = append(steps, t.runStep(VerbStart))
	case len(servicegen.Diff(want, o.State.View)) > 0:
		steps = append(steps, t.runStep(VerbRestart))
	}
	return steps
}

// onDisk is what the manager will load from the disk as o shows it: without drop-ins
// that cannot be read, and what is loaded now where the file itself cannot be, which
// is written anew then.
func (t Target) onDisk(o Observation) servicegen.View {
	o.DropIns = o.Disk.AllDropIns(o.State.DropIns...)
	view, err := (&examiner{t: t, o: o}).effective()
	if err != nil {
		view = o.State.View
	}
	return view
}

func up(s servicegen.State) bool {
	return s.Running() || s.ActiveState != "inactive" && s.ActiveState != "failed" && s.ActiveState != ""
}

func (t Target) runStep(v Verb) Step {
	what := map[Verb]string{VerbStart: "start ", VerbRestart: "restart ", VerbReexec: "replace the supervisor of ", VerbGateway: "restart the gateway of "}
	return Step{What: what[v] + t.Unit.Name, Reversible: true, Actions: []Action{t.do(v)}}
}

// enable has the service start by itself. For systemd that is a link, which is
// made here so that no manager need be there.
func enable(t Target, o Observation, _ []Finding) ([]Step, error) {
	if t.blocked(o) || t.Host.Format() == servicegen.FormatSystemd && o.Disk.StartedBy(t.Spec.Target()) && o.State.Enabled() {
		return nil, nil
	}
	step := Step{What: "enable " + t.Unit.Name, Reversible: true}
	if t.Host.Format() != servicegen.FormatSystemd {
		if o.StateErr == nil {
			step.Actions = []Action{t.do(VerbEnable)}
		}
		return []Step{step}, nil
	}
	link := t.wantLink()
	s, err := o.at(link)
	if err != nil {
		return nil, err
	}
	if s.Place.Kind == swapfile.Missing {
		step.Edits = []Edit{s.Link(t.Unit.Path)}
	}
	if o.StateErr == nil && o.State.LoadState == servicegen.LoadMasked && o.Disk.State != servicegen.FileMasked {
		step.Actions = []Action{t.do(VerbEnable)} // the mask is not in the unit's own place
	}
	if o.StateErr == nil {
		step.Actions = append(step.Actions, t.do(VerbReload))
	}
	return []Step{step}, nil
}

// wantLink is the link by which systemd starts the unit.
func (t Target) wantLink() string {
	return filepath.Join(filepath.Dir(t.Unit.Path), t.Spec.Target()+".wants", t.Unit.Name)
}

func reload(t Target, o Observation, _ []Finding) ([]Step, error) {
	if t.blocked(o) {
		return nil, nil
	}
	return t.reloaded(o, t.onDisk(o)), nil
}

func start(t Target, o Observation, _ []Finding) ([]Step, error) {
	if t.blocked(o) || o.StateErr != nil {
		return nil, nil
	}
	s := t.runStep(VerbStart)
	if o.State.ActiveState == "failed" {
		s.Actions = append([]Action{t.do(VerbReset)}, s.Actions...)
	}
	return []Step{s}, nil
}

func restart(t Target, o Observation, v Verb) ([]Step, error) {
	if t.blocked(o) || o.StateErr != nil {
		return nil, nil
	}
	return []Step{t.runStep(v)}, nil
}

// takeOver puts our service file in the place of somebody else's.
func takeOver(t Target, o Observation, _ []Finding) ([]Step, error) {
	if o.Disk.State != servicegen.FileText {
		return nil, nil
	}
	text, err := t.Spec.Render()
	if err != nil {
		return nil, err
	}
	steps, err := t.write(o, text, "take over "+t.Unit.Path)
	if err != nil {
		return nil, err
	}
	o.Disk.Raw, o.Stranger = text, nil // which is what is enabled
	more, err := enable(t, o, nil)
	return append(steps, more...), err
}

// dropDropIns removes the drop-ins that lie beside the unit file.
func dropDropIns(t Target, o Observation, found []Finding) ([]Step, error) {
	step := Step{What: "remove the drop-ins of " + t.Unit.Name, Reversible: true}
	seen := map[string]bool{}
	for _, f := range found {
		if filepath.Dir(f.Path) != t.Unit.Path+".d" || seen[f.Path] {
			continue // of the machine, for all users; or found for another reason too
		}
		seen[f.Path] = true
		s, err := o.at(f.Path)
		if err != nil {
			return nil, err
		}
		step.Edits = append(step.Edits, s.Remove())
		o.Disk.DropIns = slices.DeleteFunc(slices.Clone(o.Disk.DropIns), func(d servicegen.DropIn) bool { return d.Path == f.Path })
		o.State.DropIns = slices.DeleteFunc(slices.Clone(o.State.DropIns), func(path string) bool { return path == f.Path })
	}
	if t.blocked(o) || len(step.Edits) == 0 {
		return nil, nil
	}
	return append([]Step{step}, t.reloaded(o, t.onDisk(o))...), nil
}

// observeForEdits looks at every path that a remedy may change, which the rest of
// an observation does not show whole.
func observeForEdits(t Target, o *Observation) {
	o.see(t.Profile.StateDir, t.Profile.ConfigPath)
	if t.Spec.LogDir != "" {
		o.see(t.Spec.LogDir)
	}
	if t.Unit.Path != "" {
		o.see(t.Unit.Path)
		link := t.wantLink()
		o.Places[link] = See(link)
		for _, d := range o.Disk.DropIns {
			o.Places[d.Path] = See(d.Path)
		}
	}
	o.Setup, o.SetupErr = config.Outline(t.Profile, config.SetupOptions{PassEnv: t.Env}, fresh)
	o.Unfinished, _ = unfinished(t) // what cannot be read is said by Recover
}
