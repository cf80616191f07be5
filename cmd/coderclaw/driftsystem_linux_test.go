package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// TestServicesDriftOfTheMachine is TestServicesDrift with services of the machine,
// which run as a user and are mended by root. Of the settings that are alike in both
// it changes only some.
func TestServicesDriftOfTheMachine(t *testing.T) {
	t.Parallel()
	if !systemdtest.InsideMachine(t) {
		return
	}
	m := ofMachine(t)
	keys := slices.DeleteFunc(keyDrifts(), func(d drift) bool {
		return strings.HasPrefix(d.name, "changed ") || strings.HasPrefix(d.name, "removed ")
	})
	process := slices.DeleteFunc(processDrifts(), func(d drift) bool { return d.code == doctor.SupervisorMute })
	m.table(slices.Concat(machineDrifts(), fileDrifts(), keys, dropInDrifts(), enableDrifts(), process, portDrifts()))
}

// machineDrifts are those that only services of the machine have.
func machineDrifts() []drift {
	twin := filepath.Join(clawHome, ".config", "systemd", "user", machineUnit)
	return []drift{
		{name: "the network is not waited for", code: doctor.UnitKeyMissing, key: "After", do: loaded(func(m *machine) {
			m.Helper()
			line("After", "")(m)
			line("Wants", "")(m)
		})},
		{name: "less walled off", code: doctor.UnitKeyMissing, key: "NoNewPrivileges", do: loaded(line("NoNewPrivileges", ""))},
		{name: "no word as whom it runs", code: doctor.UnitKeyMissing, key: "User", do: loaded(line("User", ""))},
		{name: "a service of the user besides", code: doctor.ServiceTwoScopes, do: func(m *machine) {
			m.Helper()
			for _, dir := range []string{".config/systemd", ".config/systemd/user"} {
				m.mkdir(filepath.Join(clawHome, dir))
			}
			m.write(twin, strings.Replace(string(m.unitText), "User=claw\n", "", 1))
		}, hand: func(m *machine) { m.Helper(); m.try(os.Remove(twin)) }},
		{name: "a file of root among the user's", code: doctor.FileOwner, do: func(m *machine) {
			m.Helper()
			m.write(m.state(".env"), "A=1\n")
			m.try(os.Chown(m.state(".env"), 0, 0))
		}, hand: func(m *machine) { m.Helper(); m.try(os.Remove(m.state(".env"))) }},
		{name: "a state dir of root", code: doctor.StateDirOwner, do: func(m *machine) { m.Helper(); m.try(os.Chown(m.victim().StateDir, 0, 0)) },
			hand: func(m *machine) { m.Helper(); m.try(os.Chown(m.victim().StateDir, m.uid, m.uid)) }},
	}
}
