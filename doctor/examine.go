package doctor

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// Examine turns an observation into findings, the same for the same observation.
func Examine(t Target, o Observation) []Finding {
	e := examiner{t: t, o: o}
	e.config()
	e.disk()
	e.loaded()
	e.running()
	e.port()
	e.journals()
	return e.found
}

type examiner struct {
	t     Target
	o     Observation
	found []Finding
}

// add notes a finding; severity, view and remedy follow from its code.
func (e *examiner) add(c Code, view string, f Finding) {
	d := c.doc()
	f.Code, f.Severity, f.Profile, f.View, f.Repairable = c, d.Severity, e.t.Profile.Name, view, d.Repairable
	if f.Message == "" {
		f.Message = d.Meaning
	}
	if f.Fix == "" {
		f.Fix = d.Remedy
	}
	e.found = append(e.found, f)
}

func (e *examiner) command(verb string) string { return "coderclaw " + e.t.Profile.Flag() + verb }

// config looks at the profile's own files.
func (e *examiner) config() {
	p, o := e.t.Profile, e.o
	if o.StateDir != nil && o.StateDirUID >= 0 && o.StateDirUID != os.Geteuid() {
		e.add(StateDirOwner, ViewConfig, Finding{Path: p.StateDir, Have: proctable.UserName(o.StateDirUID), Want: proctable.UserName(os.Geteuid())})
	} else if o.StateDir != nil && (!private(o.StateDir.Mode()) || o.StateDir.Mode().Perm()&0o700 != 0o700) {
		e.add(StateDirMode, ViewConfig, Finding{Path: p.StateDir, Have: mode(o.StateDir.Mode()), Want: "0700"})
	}
	if o.ConfigFile == nil {
		if o.StateDir != nil || e.expected() {
			e.add(ConfigMissing, ViewConfig, Finding{Path: p.ConfigPath, Fix: "run: " + e.command("setup")})
		}
		return
	}
	if !private(o.ConfigFile.Mode()) {
		e.add(ConfigMode, ViewConfig, Finding{Path: p.ConfigPath, Have: mode(o.ConfigFile.Mode()), Want: "0600"})
	}
	switch {
	case o.ConfigErr != nil:
		e.add(ConfigInvalid, ViewConfig, Finding{Path: p.ConfigPath, Message: o.ConfigErr.Error()})
	case !o.Config.Valid():
		for _, problem := range o.Config.Problems {
			e.add(ConfigInvalid, ViewConfig, Finding{Path: p.ConfigPath, Key: problem.Path, Message: problem.String(), Fix: problem.Fix})
		}
	case o.CheckErr != nil || len(o.Check.Problems) > 0:
		e.incomplete()
	}
	if o.Config != nil {
		for _, w := range o.Config.Warnings {
			e.add(ConfigWarning, ViewConfig, Finding{Path: p.ConfigPath, Key: w.Path, Message: w.String()})
		}
	}
}

// incomplete is for a valid config with which a gateway refuses to start.
func (e *examiner) incomplete() {
	f := Finding{Path: e.t.Profile.ConfigPath, Fix: "run: " + e.command("setup")}
	if e.o.CheckErr != nil {
		f.Message = strings.ReplaceAll(e.o.CheckErr.Error(), "\n", " ")
	} else {
		f.Message = e.o.Check.Problems[0].String()
	}
	cfg := e.o.Config.Config.Gateway
	mendable := cfg.Mode == "" || cfg.Mode == "local" && cfg.Auth.Token == "" && cfg.Auth.Password == ""
	if !mendable {
		f.Fix = "mend the named setting"
		if cfg.Mode == "remote" {
			f.Fix = "nothing, if this machine is to use a gateway elsewhere; else set gateway.mode to \"local\""
		}
	}
	e.add(ConfigIncomplete, ViewConfig, f)
	e.found[len(e.found)-1].Repairable = mendable
}

func private(m os.FileMode) bool { return runtime.GOOS == "windows" || m.Perm()&0o077 == 0 }

func mode(m os.FileMode) string { return fmt.Sprintf("%04o", m.Perm()) }

// expected tells whether the profile has, or had until lately, a service.
func (e *examiner) expected() bool {
	s := e.o.State
	onDisk := e.t.Unit.Path != "" && e.o.Disk.State != servicegen.FileMissing
	return onDisk || e.o.StateErr == nil && (s.MainPID != 0 || s.LoadState == servicegen.LoadLoaded || s.LoadState == servicegen.LoadMasked)
}

// disk holds the service file against what it should be.
func (e *examiner) disk() {
	d, path := e.o.Disk, e.t.Unit.Path
	if path == "" {
		return
	}
	if !e.expected() {
		e.add(NotInstalled, ViewDisk, Finding{Path: path, Fix: "install one with: " + e.command("gateway install")})
		return
	}
	whole := map[servicegen.FileState]Code{
		servicegen.FileMissing: UnitDeleted, servicegen.FileEmpty: UnitEmpty, servicegen.FileMasked: UnitMasked,
		servicegen.FileDangling: UnitDangling, servicegen.FileDirectory: UnitNotFile, servicegen.FileSpecial: UnitNotFile,
		servicegen.FileUnreadable: UnitUnreadable,
	}
	if code, ok := whole[d.State]; ok {
		f := Finding{Path: path, Have: string(d.State), Want: "a unit file"}
		if d.Err != nil {
			f.Message = d.Err.Error()
		}
		e.add(code, ViewDisk, f)
		return
	}
	if kind := servicegen.OriginOf(e.t.Host.Format(), d.Raw).Kind; kind == servicegen.OriginNode || kind == servicegen.OriginOther {
		e.add(UnitForeign, ViewDisk, Finding{Path: path, Have: string(kind), Fix: "take it over with: " + e.command("gateway install --force")})
		return
	}
	e.keys()
	for _, in := range d.DropIns {
		f := Finding{Path: in.Path}
		if in.Err != nil {
			f.Message = in.Err.Error()
		}
		e.add(UnitDropIn, ViewDisk, f)
	}
	e.enablement()
}

// enablement trusts the manager only with what is wrong: it keeps in mind links
// that a hand has removed, and takes any target for the one that is meant.
func (e *examiner) enablement() {
	if e.o.StateErr != nil || e.o.State.LoadState != servicegen.LoadLoaded {
		return
	}
	path, target := e.t.Unit.Path, e.t.Spec.Target()
	switch {
	case !e.o.State.Enabled():
		e.add(UnitDisabled, ViewDisk, Finding{Path: path, Have: e.o.State.UnitFileState, Want: "enabled"})
	case target != "" && !e.o.Disk.StartedBy(target):
		e.add(UnitDisabled, ViewDisk, Finding{Path: path, Key: "WantedBy", Have: strings.Join(e.o.Disk.Targets, " "), Want: target,
			Message: "No link makes " + target + " start the service."})
	}
}

// keys compares the managed settings one by one.
func (e *examiner) keys() {
	want, err := e.t.Spec.View()
	if err != nil {
		e.add(UnitUnreadable, ViewDisk, Finding{Path: e.t.Unit.Path, Message: "the service cannot be rendered: " + err.Error()})
		return
	}
	have, err := e.o.Disk.View(e.t.Host.Format(), e.t.Unit.Scope, true)
	if err != nil {
		e.add(UnitKeyDrift, ViewDisk, Finding{Path: e.t.Unit.Path, Message: "the unit file cannot be parsed: " + err.Error()})
		return
	}
	for _, d := range servicegen.Diff(want, have) {
		f := Finding{Path: e.t.Unit.Path, Key: d.Key, Have: d.Have, Want: d.Want}
		env := strings.HasPrefix(d.Key, "Environment")
		switch {
		case d.Key == "ExecStart" || d.Key == "ProgramArguments":
			e.add(e.execCode(d.Have), ViewDisk, f)
		case env && d.Want == "":
			e.add(UnitEnvExtra, ViewDisk, f)
		case env:
			e.add(UnitEnvDrift, ViewDisk, f)
		case d.Have == "":
			e.add(UnitKeyMissing, ViewDisk, f)
		case d.Want == "":
			e.add(UnitKeyExtra, ViewDisk, f)
		default:
			e.add(UnitKeyDrift, ViewDisk, f)
		}
	}
}

// execCode tells a unit that starts a supervisor for another profile from one
// that starts something else.
func (e *examiner) execCode(have string) Code {
	words, err := servicegen.Words(have)
	i := slices.Index(words, "--profile")
	if err == nil && slices.Contains(words, "supervisor") && i >= 0 && i+1 < len(words) && words[i+1] != e.t.Profile.Name {
		return UnitWrongProfile
	}
	return UnitExecDrift
}

// loaded holds the manager's copy against the disk.
func (e *examiner) loaded() {
	s := e.o.State
	if e.o.StateErr != nil {
		if e.expected() {
			e.add(ManagerGone, ViewLoaded, Finding{Message: e.o.StateErr.Error()})
		}
		return
	}
	if e.o.Disk.State != servicegen.FileText || s.LoadState == "" || e.t.Unit.Path == "" {
		return
	}
	if slices.ContainsFunc(e.found, func(f Finding) bool { return f.Code == UnitForeign }) {
		return // what another program loaded is its own business
	}
	if s.NeedReload || s.LoadState != servicegen.LoadLoaded {
		e.add(UnitStale, ViewLoaded, Finding{Path: e.t.Unit.Path, Have: s.LoadState, Want: "the copy on disk"})
		return
	}
	onDisk, err := e.o.Disk.View(e.t.Host.Format(), e.t.Unit.Scope, false, s.DropIns...)
	if err != nil {
		return // said in the view "disk"
	}
	for _, d := range servicegen.Diff(onDisk, s.View) {
		e.add(UnitStale, ViewLoaded, Finding{Path: e.t.Unit.Path, Key: d.Key, Have: d.Have, Want: d.Want})
	}
}

// running holds the processes against what is loaded.
func (e *examiner) running() {
	s := e.o.State
	if e.o.StateErr == nil && e.expected() && e.o.Wish != control.WantStopped {
		switch {
		case s.ActiveState == "failed":
			e.add(UnitFailed, ViewRunning, Finding{Have: s.Result, Want: "active"})
		case !s.Running() && (s.ActiveState == "inactive" || s.ActiveState == "") && e.o.Supervisor == nil:
			e.add(UnitStopped, ViewRunning, Finding{Have: cmp.Or(s.ActiveState, "not running"), Want: "active"})
		}
	}
	if p := e.o.Process; p != nil && s.Running() {
		if p.ExeDeleted {
			e.add(BinaryReplaced, ViewRunning, Finding{Path: p.Exe, Have: fmt.Sprintf("pid %d runs the old file", p.PID)})
		}
		if len(s.Exec) > 0 && len(p.Argv) > 0 && !slices.Equal(s.Exec, p.Argv) {
			e.add(UnitOldProcess, ViewRunning, Finding{Have: strings.Join(p.Argv, " "), Want: strings.Join(s.Exec, " ")})
		}
	}
	if e.o.MutePID != 0 {
		e.add(SupervisorMute, ViewRunning, Finding{Have: fmt.Sprint(e.o.MutePID), Message: fmt.Sprintf("supervisor pid %d runs and does not answer: %v", e.o.MutePID, e.o.MuteErr)})
	}
	if i, ok := e.instance(); ok && i.State != instance.Ready && i.State != instance.Starting && e.o.Wish != control.WantStopped {
		e.add(InstanceDown, ViewRunning, Finding{Have: string(i.State), Want: string(instance.Ready), Message: fmt.Sprintf("the gateway is %s: %s", i.State, i.Reason)})
	}
}

func (e *examiner) instance() (control.Instance, bool) {
	if e.o.Supervisor == nil {
		return control.Instance{}, false
	}
	for _, i := range e.o.Supervisor.Instances {
		if i.Profile == e.t.Profile.Name {
			return i, true
		}
	}
	return control.Instance{}, false
}

// port looks for strangers on the gateway's port.
func (e *examiner) port() {
	for _, l := range e.o.Listeners {
		if e.ours(l) {
			continue
		}
		e.add(PortHeld, ViewPort, Finding{Key: fmt.Sprint(l.Addr.Port()), Have: proctable.Describe(l), Want: "free, or held by this profile",
			Message: fmt.Sprintf("port %d is held by %s", l.Addr.Port(), proctable.Describe(l))})
		return
	}
}

// journals looks for repairs that have not ended.
func (e *examiner) journals() {
	for _, id := range e.o.Unfinished {
		e.add(RepairOpen, ViewConfig, Finding{Path: filepath.Join(journalDir(e.t), id), Key: id, Have: string(Interrupted), Want: "ended"})
	}
}

// ours tells whether the listener belongs to this profile's supervisor or
// gateway, whoever started it.
func (e *examiner) ours(l proctable.Listener) bool {
	if e.o.Supervisor != nil && proctable.IsDescendant(l.PID, e.o.Supervisor.Supervisor.PID) {
		return true
	}
	return l.PID != 0 && l.PID == e.o.Gateway
}
