package doctor

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// Examine turns an observation into findings, the same for the same observation.
// No finding holds a secret.
func Examine(t Target, o Observation) []Finding {
	e := examiner{t: t, o: o}
	e.config()
	e.files()
	e.secrets()
	e.disk()
	e.loaded()
	e.running()
	e.ports()
	e.machine()
	e.services()
	e.journals()
	return e.found
}

type examiner struct {
	t     Target
	o     Observation
	found []Finding
}

// add notes a finding; severity and what --repair does follow from its code.
func (e *examiner) add(c Code, view string, f Finding) { e.mended(c, c.doc().Mending, view, f) }

// mended is add for a case that is mended otherwise than its code is as a rule.
func (e *examiner) mended(c Code, m Mending, view string, f Finding) {
	d := c.doc()
	f.Code, f.Profile, f.View = c, e.t.Profile.Name, view
	if f.Severity == "" {
		f.Severity = d.Severity
	}
	f.Repairable, f.Aggressive, f.Reversible = m != ByHand, m == Forced, m == Rewrite || m == Forced
	if f.Message == "" {
		f.Message = d.Meaning
	}
	if f.Fix == "" {
		switch {
		case m == ByHand && d.Mending != ByHand:
			f.Fix = "first mend what else is found of this service"
		case m == ByHand:
			f.Fix = d.Remedy
		default:
			f.Fix = "run: " + e.repair(m)
		}
	}
	e.found = append(e.found, e.o.redact(f))
}

// repair is what a person types to have a finding mended that is mended so. The
// service of the machine only root may mend.
func (e *examiner) repair(m Mending) string {
	line := "doctor --repair"
	if e.t.Unit.Scope == servicegen.ScopeSystem {
		line = "doctor --system --repair"
	}
	if m == Forced {
		line += " --force"
	}
	return sudo(e.t.Unit.Scope) + e.command(line)
}

// service is what a person types for a verb on the service.
func (e *examiner) service(verb string) string {
	if e.t.Unit.Scope != servicegen.ScopeSystem {
		return e.command("gateway " + verb)
	}
	line := "gateway " + verb + " --system"
	if user := e.t.Spec.User; user != "" && strings.HasPrefix(verb, "install") {
		line += " --user " + user
	}
	return "sudo " + e.command(line)
}

// has tells whether one of the codes was found.
func (e *examiner) has(codes ...Code) bool {
	return slices.ContainsFunc(e.found, func(f Finding) bool { return slices.Contains(codes, f.Code) })
}

// command is what a person types to have coderclaw do something for the profile.
func (e *examiner) command(verb string) string { return "coderclaw " + e.t.Profile.Flag() + verb }

// systemctl is what a person types to have the unit's manager do something.
func (e *examiner) systemctl(verb string) string { return systemctl(e.t.Unit.Scope, verb) }

func systemctl(s servicegen.Scope, verb string) string {
	if s == servicegen.ScopeSystem {
		return "sudo systemctl " + verb
	}
	return "systemctl --user " + verb
}

// sudo is what stands before a command that changes files of the unit's scope.
func sudo(s servicegen.Scope) string {
	if s == servicegen.ScopeSystem {
		return "sudo "
	}
	return ""
}

// quote makes one word of a shell of s.
func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/._-+@:=,%", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') || r > 0x7f
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// journals looks for repairs that have not ended.
func (e *examiner) journals() {
	for _, id := range e.o.Unfinished {
		e.add(RepairOpen, ViewConfig, Finding{Path: filepath.Join(journalDir(e.t), id), Key: id, Have: string(Interrupted), Want: "ended"})
	}
}

// expected tells whether the profile has, or had until lately, a service.
func (e *examiner) expected() bool {
	s := e.o.State
	onDisk := e.t.Unit.Path != "" && e.o.Disk.State != servicegen.FileMissing
	return onDisk || e.o.StateErr == nil && (s.MainPID != 0 || s.LoadState == servicegen.LoadLoaded || s.LoadState == servicegen.LoadMasked)
}

// wanted tells whether the service is to run: it exists, and nobody has stopped it.
func (e *examiner) wanted() bool { return e.expected() && e.o.Wish != control.WantStopped }

// doc is the reference entry of c.
func (c Code) doc() CodeDoc {
	d, ok := docs()[c]
	if !ok {
		panic("doctor: code " + string(c) + " is not in the reference") // a test makes sure that none is missing
	}
	return d
}
