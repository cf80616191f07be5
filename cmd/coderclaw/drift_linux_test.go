package main

import (
	"slices"
	"testing"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// drift is one way to break the service of the victim by hand, and what is to
// become of it.
type drift struct {
	name string
	code doctor.Code // with which doctor must name it; "" when there is nothing to find
	key  string      // the setting that the finding must name, "" for any
	do   func(m *machine)
	// hand is what a person must do, because a repair leaves it alone: doctor says
	// so with exit 1 and touches nothing of it.
	hand func(m *machine)
	// anew: the others start anew too, with their manager.
	anew bool
	// then looks at, and takes away, what a repair must keep.
	then func(m *machine)
}

// TestServicesDrift breaks a service in every way that people and programs do
// beside a real manager of a user: doctor names each, mends it, and leaves the
// other profiles alone.
func TestServicesDrift(t *testing.T) {
	t.Parallel()
	if !systemdtest.Inside(t) {
		return
	}
	m := ofUser(t)
	m.table(slices.Concat(fileDrifts(), keyDrifts(), dropInDrifts(), enableDrifts(), processDrifts(), neighbourDrifts(), configDrifts(), stateDrifts(), portDrifts()))
}

// table plays the scenarios one after the other.
func (m *machine) table(all []drift) {
	for _, d := range all {
		m.Run(d.name, func(t *testing.T) {
			m := *m
			m.T = t
			defer func() {
				if t.Failed() {
					m.reset()
				}
			}()
			m.drift(d)
		})
	}
}

// drift plays one scenario.
func (m *machine) drift(d drift) {
	others := m.pids()
	d.do(m)
	found, code, text := m.diagnose()
	switch {
	case d.code == "" && (code != 0 || len(found.Findings) != 0):
		m.Errorf("doctor found something: exit %d\n%s", code, text)
	case d.code != "" && !lists(found, d.code, d.key):
		m.Errorf("doctor did not find %s (%s): exit %d\n%s", d.code, d.key, code, text)
	case d.code != "" && (code == 0) != (severity(d.code) == doctor.Info):
		m.Errorf("doctor: exit %d for %s\n%s", code, d.code, text)
	}
	if d.hand != nil {
		report, code, text := m.diagnose("--repair")
		if code != 1 || !lists(report, d.code, d.key) {
			m.Errorf("repair did not leave it to a person: exit %d\n%s", code, text)
		}
		d.hand(m)
	}
	if _, code, text := m.diagnose("--repair"); code != 0 {
		m.Errorf("repair: exit %d\n%s", code, text)
	}
	if d.then != nil {
		d.then(m)
	}
	m.healthy()
	if string(m.read(m.unit())) != string(m.unitText) { // what a repair keeps must not be part of the next scenario
		m.write(m.unit(), string(m.unitText))
		m.systemctl("daemon-reload")
	}
	before := m.files()
	if _, code, text := m.diagnose("--repair"); code != 0 {
		m.Errorf("a second repair: exit %d\n%s", code, text)
	}
	if wrote := changed(before, m.files()); len(wrote) > 0 {
		m.Errorf("a second repair wrote %v", wrote)
	}
	for name, was := range others {
		if is := m.pidsOf(m.profile(name)); is != was && !d.anew || is[0] == 0 || is[1] == 0 {
			m.Errorf("the pids of profile %s went from %v to %v", name, was, is)
		}
	}
}

func severity(c doctor.Code) doctor.Severity {
	for _, d := range doctor.Codes() {
		if d.Code == c {
			return d.Severity
		}
	}
	return ""
}
