package doctor

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/servicegen"
)

// services looks for others on this machine that want to be this gateway, or
// stand in its way.
func (e *examiner) services() {
	if e.o.Machine == nil {
		return
	}
	for _, s := range e.o.Machine.Services {
		if samePath(s.Path, e.t.Unit.Path) {
			continue
		}
		same := s.Name == e.t.Unit.Name
		switch {
		case same && s.Scope == e.t.Unit.Scope: // of the two only one is ever loaded
		case same && e.expected():
			e.add(ServiceTwoScopes, ViewMachine, Finding{Path: s.Path, Have: string(s.Scope), Want: string(e.t.Unit.Scope), Fix: "run: " + e.remove(s)})
		case s.Ours:
			e.ownService(s)
		default:
			e.otherService(s)
		}
	}
}

func samePath(a, b string) bool { return b != "" && filepath.Clean(a) == filepath.Clean(b) }

// ownService is for a unit that runs a supervisor.
func (e *examiner) ownService(s Neighbour) {
	p, registry := e.t.Profile.Name, ""
	if e.t.Profiles != nil {
		registry = e.t.Profiles.Path()
	}
	f := Finding{Path: s.Path, Have: strings.Join(s.Argv, " "), Fix: "if it is not wanted, run: " + e.remove(s)}
	if s.Registry != "" && registry != "" && filepath.Clean(s.Registry) != filepath.Clean(registry) {
		f.Have, f.Want = s.Registry, registry
		e.add(ServiceOtherSetup, ViewMachine, f)
		return
	}
	if s.All || slices.Contains(s.Profiles, p) {
		if e.expected() {
			e.add(ServiceTwice, ViewMachine, f)
		}
		return
	}
	if e.t.Profiles == nil {
		return
	}
	for _, name := range s.Profiles {
		if _, err := e.t.Profiles.Get(name); err != nil {
			f.Key, f.Have, f.Want = name, "profile "+name, "a profile of "+registry
			e.add(ServiceOrphan, ViewMachine, f)
		}
	}
}

// otherService is for the gateway of another product, and for a stranger that
// names our port.
func (e *examiner) otherService(s Neighbour) {
	port := e.o.Check.Port
	if port == 0 {
		port = e.t.Profile.Port
	}
	f := Finding{Path: s.Path, Have: strings.Join(s.Argv, " "), Fix: "if it is not wanted, run: " + e.remove(s)}
	switch {
	case s.Port == port && s.Enabled:
		f.Key, f.Want = fmt.Sprint(port), "a port that only this profile has"
		if s.Node {
			f.Message = "The Node product of this name has a service set up for this gateway's port."
		}
		e.add(ServicePort, ViewMachine, f)
	case s.Product != "":
		f.Key = s.Product
		if s.Node {
			f.Key = "the Node product of this name"
		}
		e.add(ServiceOther, ViewMachine, f)
	}
}

// remove is what a person types to be rid of exactly that service.
func (e *examiner) remove(s Neighbour) string {
	rm := sudo(e.scopeOf(s.Path)) + "rm " + quote(s.Path)
	if s.Scope == servicegen.ScopeSystem {
		rm = "sudo rm " + quote(s.Path)
	}
	switch {
	case e.o.Machine.Format != servicegen.FormatLaunchd:
		return systemctl(s.Scope, "disable --now "+quote(s.Name)) + " && " + rm + " && " + systemctl(s.Scope, "daemon-reload")
	case s.Scope == servicegen.ScopeSystem:
		return "sudo launchctl bootout system/" + quote(s.Name) + "; " + rm
	}
	return "launchctl bootout gui/$(id -u)/" + quote(s.Name) + "; " + rm
}
