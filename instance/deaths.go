package instance

import (
	"context"
	"fmt"
)

// deaths counts those of the children that ran the same config and program.
type deaths struct {
	hash  string
	class map[string]int // deaths of that class; being killed once ready does not count
}

// of makes hash the one that is counted for, and tells whether it was another before.
func (d *deaths) of(hash string) (changed bool) {
	if d.class != nil && d.hash == hash {
		return false
	}
	changed = d.class != nil
	d.hash, d.class = hash, map[string]int{}
	return changed
}

func (d *deaths) add(e Exit) {
	if e.Fast || e.Class != ClassKilled {
		d.class[e.Class]++
	}
}

// hopeless says why another start is not worth it, "" if it is.
func (m *machine) hopeless(e Exit) string {
	tries := m.Snapshot().Tries
	switch {
	case tries >= MaxTries:
		return fmt.Sprintf("it died %d times in a row before it was ready, the last time it %s", tries, e.words())
	case m.deaths.class[e.Class] >= maxSame:
		return fmt.Sprintf("it died %d times in the same way with the same config and program, the last time it %s", m.deaths.class[e.Class], e.words())
	}
	return ""
}

// quarantine gives a child up until its config or program changes, or a person starts it.
func (m *machine) quarantine(why string) {
	m.say()
	m.o.Log.Error("quarantined until its config or program changes or it is started", "profile", m.o.Name, "reason", why)
	m.to(Quarantined, why)
	m.tell(&m.waiters, fmt.Errorf("profile %s is quarantined: %s", m.o.Name, why))
}

// release starts what is quarantined if it is not what died any more.
func (m *machine) release(ctx context.Context) {
	if m.o.Fingerprint(ctx) == m.deaths.hash {
		m.wake(m.limit(Quarantined))
		return
	}
	m.o.Log.Info("released from quarantine: its config or program has changed", "profile", m.o.Name)
	m.forgive()
	m.start(ctx)
}

// forgive forgets the deaths.
func (m *machine) forgive() {
	m.backoff.reset()
	m.deaths = deaths{}
	m.count(func(s *Snapshot) { s.Tries = 0 })
}
