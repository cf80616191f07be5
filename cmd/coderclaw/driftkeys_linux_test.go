package main

import (
	"path/filepath"
	"regexp"
	"strings"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/instance"
)

// line makes another line of the unit's setting.
func line(key, next string) func(*machine) {
	shape := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(key) + `=.*\n`)
	return text(func(was string) string {
		return shape.ReplaceAllLiteralString(was, next)
	})
}

// restarted is do, and then the manager starts the service by what it finds.
func restarted(do func(*machine)) func(*machine) {
	return func(m *machine) {
		m.Helper()
		loaded(do)(m)
		m.startAnew()
	}
}

// copied has the service start, and run, a copy of the program.
func copied(to string) func(*machine) {
	return func(m *machine) {
		m.Helper()
		m.mkdir(filepath.Dir(to))
		place(m.T, m.program, to)
		restarted(line("ExecStart", "ExecStart="+to+" supervisor run --profile default\n"))(m)
		m.becomes(instance.Ready)
	}
}

// keyDrifts are changes of what the unit file says.
func keyDrifts() []drift {
	var all []drift
	for key, value := range map[string]string{
		"Description": "mine", "StartLimitIntervalSec": "90", "StartLimitBurst": "7", "NotifyAccess": "all", "Restart": "no", "RestartSec": "60",
		"RestartPreventExitStatus": "1 2", "KillMode": "process", "Delegate": "no", "WatchdogSec": "1h", "TimeoutStopSec": "90", "UMask": "0022",
		"WantedBy": "graphical-session.target",
	} {
		all = append(all, drift{name: "changed " + key, code: doctor.UnitKeyDrift, key: key, do: loaded(line(key, key+"="+value+"\n"))})
	}
	for _, key := range []string{"Type", "Restart", "RestartSec", "WatchdogSec", "KillMode", "TimeoutStopSec", "WantedBy"} {
		all = append(all, drift{name: "removed " + key, code: doctor.UnitKeyMissing, key: key, do: loaded(line(key, ""))})
	}
	return append(all,
		drift{name: "removed ExecStart", code: doctor.UnitExecDrift, do: loaded(line("ExecStart", ""))},
		drift{name: "all settings removed", code: doctor.UnitKeyMissing, key: "UMask", do: loaded(text(func(was string) string {
			return was[:strings.Index(was, "[Unit]")] + "[Service]\nExecStart=/bin/true supervisor run --profile default\n"
		}))},
		drift{name: "a second KillMode", code: doctor.UnitKeyDrift, key: "KillMode", do: loaded(line("KillMode", "KillMode=mixed\nKillMode=process\n"))},
		drift{name: "a second ExecStart", code: doctor.UnitExecDrift, do: loaded(text(func(was string) string {
			return strings.Replace(was, "ExecStart=", "ExecStart=/bin/true\nExecStart=", 1)
		}))},
		drift{name: "a key under its old name", code: doctor.UnitKeyDrift, key: "StartLimitIntervalSec", do: loaded(line("StartLimitIntervalSec", "StartLimitInterval=10\n"))},
		drift{name: "no start limit", code: doctor.UnitStartLimit, key: "StartLimitIntervalSec", do: loaded(line("StartLimitIntervalSec", "StartLimitIntervalSec=0\n"))},
		drift{name: "a stop clock that is too short", code: doctor.UnitStopClock, key: "TimeoutStopSec", do: loaded(line("TimeoutStopSec", "TimeoutStopSec=5\n"))},
		drift{name: "one TimeoutSec for both", code: doctor.UnitStopClock, key: "TimeoutStopSec", do: loaded(line("TimeoutStopSec", "TimeoutSec=3\n"))},
		drift{name: "sleep", code: doctor.UnitExecDrift, do: line("ExecStart", "ExecStart=/usr/bin/sleep 1000\n")},
		drift{name: "sleep, running", code: doctor.UnitExecDrift, do: func(m *machine) {
			m.Helper()
			loaded(line("ExecStart", "ExecStart=/usr/bin/sleep 1000\n"))(m)
			m.systemctl("restart", "--no-block", m.name())
			m.until("sleep runs", func() bool {
				return strings.Contains(m.systemctl("show", "-p", "ExecStart,ActiveState", m.name()), "ActiveState=activating")
			})
		}},
		drift{name: "a port in ExecStart", code: doctor.UnitExecDrift, do: text(func(was string) string {
			return strings.Replace(was, "--profile default", "--profile default --port 4711", 1)
		})},
		drift{name: "another profile", code: doctor.UnitWrongProfile, do: loaded(text(func(was string) string {
			return strings.Replace(was, "--profile default", "--profile rescue", 1)
		}))},
		drift{name: "program gone", code: doctor.BinaryMissing, do: func(m *machine) {
			m.Helper()
			loaded(line("ExecStart", "ExecStart=/home/claw/.nvm/versions/v1/bin/coderclaw supervisor run --profile default\n"))(m)
			if out, code := m.ctl("restart", m.name()); code == 0 {
				m.Errorf("it started:\n%s", out)
			}
		}},
		drift{name: "fails again and again", code: doctor.UnitRestarting, do: func(m *machine) {
			m.Helper()
			line("ExecStart", "ExecStart=/usr/bin/false\n")(m)
			loaded(line("RestartSec", "RestartSec=60\n"))(m) // or its start limit would soon be what is found
			m.ctl("restart", m.name())
		}},
		drift{name: "a copy of the program", code: doctor.UnitProgram, do: copied("/home/claw/bin/coderclaw")},
		drift{name: "a program of one version", code: doctor.BinaryVersioned, do: copied("/home/claw/.nvm/versions/node/v24.1.0/bin/coderclaw")},
		drift{name: "a program in a temporary place", code: doctor.BinaryTemporary, do: copied("/var/tmp/coderclaw")},
		drift{name: "a harmful setting", code: doctor.UnitHazard, key: "RuntimeMaxSec",
			do: loaded(line("KillMode", "KillMode=mixed\nRuntimeMaxSec=1h\n")), hand: loaded(line("RuntimeMaxSec", ""))},
		drift{name: "a secret of a person's own", code: doctor.UnitSecret, key: "GITHUB_TOKEN",
			do: loaded(line("KillMode", "KillMode=mixed\nEnvironment=GITHUB_TOKEN=abc\n")), hand: loaded(line("Environment=GITHUB_TOKEN", ""))},
		drift{name: "token in the unit", code: doctor.UnitSecret, key: "Environment[CODERCLAW_GATEWAY_TOKEN]", do: restarted(text(func(was string) string {
			return strings.Replace(was, "[Service]\n", "[Service]\nEnvironment=CODERCLAW_GATEWAY_TOKEN=stale\n", 1)
		}))},
		drift{name: "a variable added", code: doctor.UnitEnvExtra, key: "Environment[CODERCLAW_STATE_DIR]", do: text(func(was string) string {
			return strings.Replace(was, "[Service]\n", "[Service]\nEnvironment=CODERCLAW_STATE_DIR=/tmp\n", 1)
		})},
		drift{name: "a port in a variable", code: doctor.UnitPort, key: "Environment[CODERCLAW_GATEWAY_PORT]", do: text(func(was string) string {
			return strings.Replace(was, "[Service]\n", "[Service]\nEnvironment=CODERCLAW_GATEWAY_PORT=1\n", 1)
		})},
		drift{name: "a variable changed", code: doctor.UnitEnvDrift, key: "Environment[CODERCLAW_REGISTRY]",
			do: loaded(line("Environment", "Environment=CODERCLAW_REGISTRY=/home/claw/other.toml\n"))},
		drift{name: "a variable removed", code: doctor.UnitEnvDrift, key: "Environment[CODERCLAW_REGISTRY]", do: loaded(line("Environment", ""))},
	)
}
