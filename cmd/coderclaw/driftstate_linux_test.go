package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/programtest"
	"github.com/coderclaw/coderclaw/servicegen"
)

// wants is the link by which a target starts the victim's service.
func (m *machine) wants(target string) string {
	return filepath.Join(m.units, target+".wants", m.name())
}

// target is what starts the services.
func (m *machine) target() string {
	if m.scope == servicegen.ScopeSystem {
		return "multi-user.target"
	}
	return "default.target"
}

// enableDrifts are what keeps the service from starting by itself.
func enableDrifts() []drift {
	return []drift{
		{name: "disabled", code: doctor.UnitDisabled, do: func(m *machine) { m.Helper(); m.systemctl("disable", m.name()) }},
		{name: "link removed by hand", code: doctor.UnitDisabled, do: func(m *machine) { m.Helper(); m.try(os.Remove(m.wants(m.target()))) }},
		{name: "link removed by hand, loaded", code: doctor.UnitDisabled,
			do: loaded(func(m *machine) { m.Helper(); m.try(os.Remove(m.wants(m.target()))) })},
		{name: "link of another target", code: doctor.UnitDisabled, do: loaded(func(m *machine) {
			m.Helper()
			m.try(os.Mkdir(filepath.Dir(m.wants("graphical-session.target")), 0o755))
			m.try(os.Rename(m.wants(m.target()), m.wants("graphical-session.target")))
		}), then: func(m *machine) {
			m.Helper()
			m.run("rm", "-r", filepath.Dir(m.wants("graphical-session.target")))
			m.systemctl("daemon-reload")
		}},
	}
}

// processDrifts are what the manager has loaded and what runs of it.
func processDrifts() []drift {
	return []drift{
		{name: "edited, not loaded", code: doctor.UnitStale, do: text(func(was string) string { return was + "# a note\n" })},
		{name: "an older copy loaded", code: doctor.UnitStale, do: func(m *machine) {
			m.Helper()
			loaded(line("KillMode", "KillMode=process\n"))(m)
			line("KillMode", "KillMode=mixed\n")(m)
		}},
		{name: "an older process", code: doctor.UnitOldProcess, do: func(m *machine) {
			m.Helper()
			was := string(m.read(m.unit()))
			restarted(text(func(was string) string { return strings.Replace(was, "--profile default", "--profile=default", 1) }))(m)
			m.write(m.unit(), was)
			m.systemctl("daemon-reload")
		}},
		{name: "program replaced", code: doctor.BinaryReplaced, do: func(m *machine) { m.Helper(); place(m.T, m.program, m.program) }},
		{name: "stopped behind its back", code: doctor.UnitStopped, do: func(m *machine) { m.Helper(); m.systemctl("stop", m.name()) }},
		{name: "stopped and disabled", code: doctor.UnitStopped, do: func(m *machine) { m.Helper(); m.systemctl("disable", "--now", m.name()) }},
		{name: "failed", code: doctor.UnitFailed, do: func(m *machine) {
			m.Helper()
			// A registry that cannot be read ends a supervisor for good.
			registry := m.registry.Path()
			m.mkdir(filepath.Dir(registry))
			m.write(registry, "[profiles")
			m.ctl("restart", m.name())
			m.try(os.Remove(registry))
			if m.active() != "failed" {
				m.Fatalf("the unit is %s", m.active())
			}
		}},
		{name: "start limit hit", code: doctor.UnitStartLimitHit, do: func(m *machine) {
			m.Helper()
			for range 8 {
				m.ctl("restart", m.name())
			}
			if m.active() != "failed" {
				m.Fatalf("the unit is %s", m.active())
			}
		}},
		{name: "supervisor does not answer", code: doctor.SupervisorMute,
			do: func(m *machine) {
				m.Helper()
				m.systemctl("service-watchdogs", "no") // the manager would end it before doctor has looked twice
				m.try(programtest.Halt(m.Context(), m.pidsOf(m.victim())[0]))
			},
			hand: func(m *machine) {
				m.Helper()
				m.systemctl("service-watchdogs", "yes")
				was := m.pidsOf(m.victim())[0]
				m.try(syscall.Kill(was, syscall.SIGKILL))
				m.until("another supervisor runs", func() bool { return m.active() == "active" })
				m.becomes(instance.Ready)
			}},
		// The unit's own directory comes before the one of such a mask, so it does nothing.
		{name: "masked at run time", do: func(m *machine) { m.Helper(); m.systemctl("mask", "--runtime", m.name()) },
			then: func(m *machine) { m.Helper(); m.systemctl("unmask", "--runtime", m.name()) }},
		{name: "run by a supervisor of a person", code: doctor.SupervisorByHand, do: func(m *machine) {
			m.Helper()
			m.systemctl("stop", m.name())
			m.start("supervisor", "run", "--profile", victim)
			m.becomes(instance.Ready)
		}, hand: func(m *machine) { m.Helper(); m.end() }},
		{name: "works for another registry", code: doctor.UnitOtherRegistry, do: func(m *machine) {
			m.Helper()
			m.write("/home/claw/other.toml", "[profiles.default]\nport = 28789\nstate_dir = \"/home/claw/other\"\n")
			restarted(line("Environment", "Environment=CODERCLAW_REGISTRY=/home/claw/other.toml\n"))(m)
		}, hand: byForce, then: func(m *machine) {
			m.Helper()
			m.try(os.Remove("/home/claw/other.toml"))
			m.try(os.RemoveAll("/home/claw/other"))
		}},
		{name: "crashed", code: doctor.CrashesRecent, do: func(m *machine) {
			m.Helper()
			was := m.pidsOf(m.victim())
			m.try(syscall.Kill(was[1], syscall.SIGQUIT)) // which ends it with a dump of its goroutines
			m.until("another gateway is ready", func() bool { i := m.seen(); return i.PID != was[1] && i.State == instance.Ready })
			m.until("the crash is recorded", func() bool { found, _, _ := m.diagnose(); return lists(found, doctor.CrashesRecent, "") })
		}, then: func(m *machine) { m.Helper(); m.try(os.RemoveAll(m.victim().CrashDir())) }},
	}
}

func (m *machine) active() string {
	m.Helper()
	out, _ := m.ctl("is-active", m.name())
	return strings.TrimSpace(out)
}
