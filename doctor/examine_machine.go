package doctor

import (
	"github.com/coderclaw/coderclaw/servicegen"
)

// machine looks at what the service needs of its machine.
func (e *examiner) machine() {
	m := e.o.Machine
	if m == nil {
		return
	}
	if l := m.Linger; l.Off() && e.t.Unit.Scope != servicegen.ScopeSystem && e.t.Host.Format() == servicegen.FormatSystemd && e.wanted() && !e.foreign() {
		e.add(LingerOff, ViewMachine, Finding{Key: l.User, Have: "off (" + l.Why + ")", Want: "on", Fix: "run: " + l.Command})
	}
}
