package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/coderclaw/coderclaw/doctor"
)

// replaced takes the unit file away and lets with put something else in its place.
func replaced(with func(m *machine, unit string)) func(*machine) {
	return func(m *machine) {
		m.Helper()
		m.try(os.Remove(m.unit()))
		with(m, m.unit())
	}
}

// text makes the unit file hold something else.
func text(next func(was string) string) func(*machine) {
	return func(m *machine) {
		m.Helper()
		m.write(m.unit(), next(string(m.read(m.unit()))))
	}
}

// loaded is do, and then the manager is told.
func loaded(do func(*machine)) func(*machine) {
	return func(m *machine) {
		m.Helper()
		do(m)
		m.systemctl("daemon-reload")
	}
}

// moveAway is what a person does with a thing that is no unit file.
func moveAway(m *machine) {
	m.Helper()
	m.try(os.Remove(m.unit()))
}

// takeOver is what a person does with the unit of another program.
func takeOver(m *machine) {
	m.Helper()
	m.coderclaw("gateway", "install", "--force")
}

// fileDrifts are what may stand in the place of the unit file.
func fileDrifts() []drift {
	nothing := func(*machine, string) {}
	mask := func(m *machine, unit string) { m.Helper(); m.try(os.Symlink(os.DevNull, unit)) }
	return []drift{
		{name: "deleted, still loaded", code: doctor.UnitDeleted, do: replaced(nothing)},
		{name: "deleted, unloaded", code: doctor.UnitDeleted, do: loaded(replaced(nothing))},
		{name: "deleted with its link, unloaded", code: doctor.UnitDeleted, do: loaded(func(m *machine) {
			m.Helper()
			m.systemctl("disable", m.name())
			m.try(os.Remove(m.unit()))
		})},
		{name: "emptied", code: doctor.UnitEmpty, do: text(func(string) string { return "" })},
		{name: "emptied, loaded", code: doctor.UnitEmpty, do: loaded(text(func(string) string { return "" }))},
		{name: "masked", code: doctor.UnitMasked, do: replaced(func(m *machine, _ string) { m.Helper(); m.systemctl("mask", m.name()) })},
		{name: "masked by hand, not loaded", code: doctor.UnitMasked, do: replaced(mask)},
		{name: "masked and stopped", code: doctor.UnitMasked, do: replaced(func(m *machine, _ string) {
			m.Helper()
			m.systemctl("stop", m.name())
			m.systemctl("mask", m.name())
		})},
		{name: "dangling link", code: doctor.UnitDangling, do: loaded(replaced(func(m *machine, unit string) {
			m.Helper()
			m.try(os.Symlink("/home/claw/dotfiles/gone.service", unit))
		}))},
		{name: "symlink loop", code: doctor.UnitDangling, do: loaded(replaced(func(m *machine, unit string) {
			m.Helper()
			m.try(os.Symlink(filepath.Base(unit), unit))
		}))},
		{name: "directory", code: doctor.UnitNotFile, do: loaded(replaced(func(m *machine, unit string) {
			m.Helper()
			m.try(os.Mkdir(unit, 0o700))
		})), hand: moveAway},
		{name: "FIFO", code: doctor.UnitNotFile, do: loaded(replaced(func(m *machine, unit string) {
			m.Helper()
			m.try(syscall.Mkfifo(unit, 0o600))
		})), hand: moveAway},
		{name: "unreadable", code: doctor.UnitUnreadable, do: func(m *machine) { m.Helper(); m.try(os.Chmod(m.unit(), 0)) },
			hand: func(m *machine) { m.Helper(); m.try(os.Chmod(m.unit(), 0o600)) }},
		{name: "NUL bytes", code: doctor.UnitKeyDrift, key: "KillMode", do: loaded(text(func(was string) string {
			return strings.Replace(was, "KillMode=mixed", "KillMode=mi\x00xed", 1)
		}))},
		{name: "CRLF", code: doctor.UnitStale, do: text(func(was string) string { return strings.ReplaceAll(was, "\n", "\r\n") })},
		{name: "byte order mark", code: doctor.UnitStale, do: text(func(was string) string { return "\xef\xbb\xbf" + was })},
		{name: "a line over 1 MiB", code: doctor.UnitUnparsable, do: loaded(text(func(was string) string {
			return was + "# " + strings.Repeat("x", 1<<20) + "\n"
		}))},
		{name: "half a file", code: doctor.UnitKeyMissing, key: "WantedBy", do: loaded(text(func(was string) string { return was[:len(was)/2] }))},
		{name: "foreign text", code: doctor.UnitForeign, do: loaded(text(func(string) string {
			return "[Service]\nExecStart=/usr/bin/sleep 1000\n"
		})), hand: takeOver},
		{name: "no unit at all", code: doctor.UnitForeign, do: loaded(text(func(string) string { return "hello\n" })), hand: takeOver},
		{name: "unit of the Node product", code: doctor.UnitNode, do: loaded(text(func(string) string {
			return "[Service]\nExecStart=/usr/bin/node /usr/lib/node_modules/coderclaw/dist/index.js gateway --port 18789\n" +
				"Environment=CODERCLAW_SERVICE_MARKER=coderclaw\nRestart=always\n[Install]\nWantedBy=default.target\n"
		})), hand: takeOver},
		{name: "foreign settings stay", code: doctor.UnitKeyDrift, key: "Restart",
			do: loaded(text(func(was string) string {
				return strings.Replace(was, "Restart=on-failure\n", "# mine\nNice=7\nRestart=no\nEnvironment=MINE=1\n", 1)
			})),
			then: func(m *machine) {
				m.Helper()
				if now := m.read(m.unit()); !bytes.Contains(now, []byte("# mine\nNice=7\nRestart=on-failure\n")) || !bytes.Contains(now, []byte("Environment=MINE=1\n")) {
					m.Errorf("a person's own lines are gone:\n%s", now)
				}
				text(func(was string) string {
					return strings.NewReplacer("# mine\n", "", "Nice=7\n", "", "Environment=MINE=1\n", "").Replace(was)
				})(m)
				m.systemctl("daemon-reload")
				m.startAnew()
			}},
	}
}
