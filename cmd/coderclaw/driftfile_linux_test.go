package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
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

// byForce is what a person does who wants everything as coderclaw has it.
func byForce(m *machine) {
	m.Helper()
	m.coderclaw("doctor", "--repair", "--force", "--non-interactive")
}

// control is the file that goes before the unit file.
func (m *machine) control() string { return filepath.Join(m.units+".control", m.name()) }

// uncontrolled takes it away.
func uncontrolled(m *machine) {
	m.Helper()
	m.try(os.Remove(m.control()))
	m.systemctl("daemon-reload")
}

// older is the unit as another version would have written it, which knew no watchdog.
func older(was string) string {
	_, rest, _ := strings.Cut(was, "\n")
	rest = strings.Replace(rest, "WatchdogSec=30\n", "", 1)
	return fmt.Sprintf("# written by coderclaw 0.0.1, sha256 %x of all other lines\n%s", sha256.Sum256([]byte(rest)), rest)
}

// fileDrifts are what may stand in the place of the unit file.
func fileDrifts() []drift {
	nothing := func(*machine, string) {}
	mask := func(m *machine, unit string) { m.Helper(); m.try(os.Symlink(os.DevNull, unit)) }
	const elsewhere = "/home/claw/dotfiles/coderclaw-gateway.service"
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
			hand: func(m *machine) { m.Helper(); m.try(os.Chmod(m.unit(), 0o644)) }},
		{name: "NUL bytes", code: doctor.UnitKeyDrift, key: "KillMode", do: loaded(text(func(was string) string {
			return strings.Replace(was, "KillMode=mixed", "KillMode=mi\x00xed", 1)
		}))},
		{name: "CRLF", code: doctor.UnitBytes, do: loaded(text(func(was string) string { return strings.ReplaceAll(was, "\n", "\r\n") }))},
		{name: "CRLF and a setting changed", code: doctor.UnitKeyDrift, key: "KillMode", do: loaded(text(func(was string) string {
			return strings.Replace(strings.ReplaceAll(was, "\n", "\r\n"), "mixed", "process", 1)
		}))},
		{name: "byte order mark", code: doctor.UnitBytes, do: loaded(text(func(was string) string { return "\xef\xbb\xbf" + was }))},
		{name: "byte order mark, not loaded", code: doctor.UnitStale, do: text(func(was string) string { return "\xef\xbb\xbf" + was })},
		{name: "a line over 1 MiB", code: doctor.UnitUnparsable, do: loaded(text(func(was string) string {
			return was + "# " + strings.Repeat("x", 1<<20) + "\n"
		}))},
		{name: "half a file", code: doctor.UnitKeyMissing, key: "WantedBy", do: loaded(text(func(was string) string { return was[:len(was)/2] }))},
		{name: "foreign text", code: doctor.UnitForeign, do: loaded(text(func(string) string {
			return "[Service]\nExecStart=/usr/bin/sleep 1000\n"
		})), hand: byForce},
		{name: "no unit at all", code: doctor.UnitForeign, do: loaded(text(func(string) string { return "hello\n" })), hand: takeOver},
		{name: "unit of the Node product", code: doctor.UnitNode, do: loaded(text(func(string) string {
			return "[Service]\nExecStart=/usr/bin/node /usr/lib/node_modules/coderclaw/dist/index.js gateway --port 18789\n" +
				"Environment=CODERCLAW_SERVICE_MARKER=coderclaw\nRestart=always\n[Install]\nWantedBy=default.target\n"
		})), hand: byForce},
		{name: "a link to a file elsewhere", code: doctor.UnitLink, do: loaded(func(m *machine) {
			m.Helper()
			m.try(os.Mkdir("/home/claw/dotfiles", 0o755))
			m.try(os.Rename(m.unit(), elsewhere))
			m.try(os.Symlink(elsewhere, m.unit()))
		}), then: func(m *machine) {
			m.Helper()
			m.try(os.Remove(m.unit()))
			m.try(os.Rename(elsewhere, m.unit()))
			m.try(os.Remove("/home/claw/dotfiles"))
			m.systemctl("daemon-reload")
		}},
		{name: "open to others", code: doctor.UnitMode, do: func(m *machine) { m.Helper(); m.try(os.Chmod(m.unit(), 0o666)) }},
		{name: "another file that comes first", code: doctor.UnitShadowed, do: loaded(func(m *machine) {
			m.Helper()
			m.mkdir(filepath.Dir(m.control()))
			m.write(m.control(), "[Service]\nExecStart=/usr/bin/sleep 1000\n")
		}), hand: uncontrolled},
		{name: "a mask that comes first", code: doctor.UnitMasked, do: loaded(func(m *machine) {
			m.Helper()
			m.mkdir(filepath.Dir(m.control()))
			m.try(os.Symlink(os.DevNull, m.control()))
		}), hand: uncontrolled},
		{name: "of an older version", code: doctor.UnitOutdated, do: loaded(text(older))},
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
