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
		m := Act
		if l.Grade != servicegen.LingerFree || e.t.Linger == nil {
			m = ByHand
		}
		e.mended(LingerOff, m, ViewMachine, Finding{Key: l.User, Have: "off (" + l.Why + ")", Want: "on", Fix: "run: " + l.Command})
	}
}
