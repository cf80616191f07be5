package doctor

import (
	"fmt"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

// port is the one that counts: of the config, else the base of the profile's block.
func (e *examiner) port() string {
	if e.o.Check.Port != 0 {
		return fmt.Sprint(e.o.Check.Port)
	}
	return fmt.Sprint(e.t.Profile.Port)
}

// ports looks for others that use or are to use the gateway's port.
func (e *examiner) ports() {
	e.claims()
	for _, l := range e.o.Listeners {
		if e.ours(l) {
			continue
		}
		e.add(PortHeld, ViewPort, Finding{Key: fmt.Sprint(l.Addr.Port()), Have: proctable.Describe(l), Want: "free, or held by this profile",
			Message: fmt.Sprintf("port %d is held by %s", l.Addr.Port(), proctable.Describe(l)),
			Fix:     "end that process, or set gateway.port in " + e.t.Profile.ConfigPath + " to a port that is free"})
		return
	}
}

// claims holds gateway.port against what the registry gives this and other profiles.
func (e *examiner) claims() {
	port, p := e.o.Check.Port, e.t.Profile
	if port == 0 || e.o.CheckErr != nil && e.o.Config == nil {
		return
	}
	f := Finding{Path: p.ConfigPath, Key: "gateway.port", Have: fmt.Sprint(port), Want: fmt.Sprintf("%d, or another of %d-%d", p.Port, p.Port, p.Block().Last()), Fix: "remove gateway.port from the config, or choose one that is free"}
	if owner := e.o.PortOwner; owner != "" {
		f.Have += ", of profile " + owner
		f.Message = fmt.Sprintf("port %d belongs to profile %s", port, owner)
		e.add(PortClash, ViewPort, f)
		return
	}
	if !p.Block().Contains(port) {
		e.add(PortMoved, ViewPort, f)
	}
}

// ours tells whether the listener belongs to this profile's service, or to its supervisor
// or gateway, whoever started it.
func (e *examiner) ours(l proctable.Listener) bool {
	if e.o.Supervisor != nil && proctable.IsDescendant(l.PID, e.o.Supervisor.Supervisor.PID) {
		return true
	}
	// Of a service that has just begun the port is seen, which was looked at last, and no supervisor yet.
	if main := e.o.State.MainPID; main != 0 && proctable.IsDescendant(l.PID, main) {
		return true
	}
	return l.PID != 0 && l.PID == e.o.Gateway
}
