package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/instance"
)

// configured makes the victim's config hold something else.
func configured(next func(was []byte) []byte) func(*machine) {
	return func(m *machine) {
		m.Helper()
		path := m.victim().ConfigPath
		m.write(path, string(next(m.read(path))))
	}
}

// putBack is what a person does with a config that a repair must not touch: it
// still holds every byte of theirs.
func putBack(want func(was []byte) []byte) func(*machine) {
	return func(m *machine) {
		m.Helper()
		if now := m.read(m.victim().ConfigPath); !bytes.Equal(now, want(m.config)) {
			m.Errorf("a repair changed the config:\n%s", now)
		}
		m.original()
	}
}

// original gives the victim the config with which it was installed.
func (m *machine) original() {
	m.Helper()
	configured(func([]byte) []byte { return m.config })(m)
	m.startAnew() // nothing watches a config yet
	m.becomes(instance.Ready)
}

var (
	tokenOf   = regexp.MustCompile(`("?token"?: *)"[^"]*"`) // the credential of a config
	gatewayOf = regexp.MustCompile(`("?gateway"?: *\{)`)    // where the settings of the gateway begin
)

// gatewaySetting puts a setting of the gateway into the config.
func gatewaySetting(text string) func(was []byte) []byte {
	return func(was []byte) []byte { return gatewayOf.ReplaceAll(was, []byte("${1} "+text+",")) }
}

// state is a path below the victim's state dir.
func (m *machine) state(name string) string { return filepath.Join(m.victim().StateDir, name) }

// stateFile makes a file in the state dir, and a way to take it away.
func stateFile(name, text string, mode os.FileMode) (do, away func(*machine)) {
	return func(m *machine) {
			m.Helper()
			m.write(m.state(name), text)
			m.try(os.Chmod(m.state(name), mode))
		}, func(m *machine) {
			m.Helper()
			m.try(os.Remove(m.state(name)))
		}
}

// opened gives a file of the state dir other permissions.
func opened(name string, mode os.FileMode) func(*machine) {
	return func(m *machine) { m.Helper(); m.try(os.Chmod(m.state(name), mode)) }
}

// configDrifts are of the victim's config.
func configDrifts() []drift {
	broken := func(was []byte) []byte { return bytes.Replace(was, []byte("{"), []byte("{ gateway"), 1) }
	unknown := func(was []byte) []byte { return bytes.Replace(was, []byte("{"), []byte("{ nonsense: 1,"), 1) }
	original := func(m *machine) { m.Helper(); m.healthy(); m.original() }
	weak := gatewaySetting("controlUi: { allowInsecureAuth: true }")
	return []drift{
		{name: "config is not JSON", code: doctor.ConfigInvalid, do: configured(broken), hand: putBack(broken)},
		{name: "config has an unknown key", code: doctor.ConfigInvalid, key: "nonsense", do: configured(unknown), hand: putBack(unknown)},
		{name: "runs on its last good config", code: doctor.ConfigDegraded, do: func(m *machine) {
			m.Helper()
			configured(broken)(m)
			m.startAnew()
			m.becomes(instance.Ready)
		}, hand: putBack(broken)},
		{name: "config turns off what keeps strangers out", code: doctor.AuthWeakened, do: configured(weak), hand: putBack(weak)},
		{name: "a token with a space and %", do: func(m *machine) {
			m.Helper()
			configured(func(was []byte) []byte { return tokenOf.ReplaceAll(was, []byte(`$1"two words, 100%h %% $$HOME"`)) })(m)
			m.startAnew()
			m.becomes(instance.Ready)
		}, then: original},
		{name: "another token in the config", code: doctor.CredentialNotApplied, key: "gateway.auth.token",
			do:   configured(func(was []byte) []byte { return tokenOf.ReplaceAll(was, []byte(`$1"another-token-than-before"`)) }),
			then: original},
		{name: "config missing", code: doctor.ConfigMissing, do: func(m *machine) { m.Helper(); m.try(os.Remove(m.victim().ConfigPath)) }, then: original},
		{name: "config without a token", code: doctor.ConfigIncomplete, do: configured(func(was []byte) []byte { return tokenOf.ReplaceAll(was, []byte(`$1""`)) }), then: original},
	}
}

// stateDrifts are of the other files of the victim.
func stateDrifts() []drift {
	twice, noTwice := stateFile(".env", "A=1\nA=2\n", 0o600)
	token, noToken := stateFile(".env", "CODERCLAW_GATEWAY_TOKEN=stale\n", 0o600)
	open, noOpen := stateFile(".env", "A=1\n", 0o644)
	huge, noHuge := stateFile("logs/coderclaw-2020-01-01.log", "", 0o600)
	away := func(name string) (do, back func(*machine)) {
		return func(m *machine) { m.Helper(); m.try(os.Rename(m.state(name), m.state(name+".away"))) },
			func(m *machine) {
				m.Helper()
				m.try(os.RemoveAll(m.state(name)))
				m.try(os.Rename(m.state(name+".away"), m.state(name)))
			}
	}
	gone, back := away("workspace")
	devices, mended := away("devices/paired.json")
	return []drift{
		{name: "config open to others", code: doctor.ConfigMode, do: opened("coderclaw.json", 0o644)},
		{name: "state dir open to others", code: doctor.StateDirMode, do: opened(".", 0o755)},
		{name: "state dir closed to its owner", code: doctor.StateDirMode, do: opened(".", 0o500)},
		{name: "logs open to others", code: doctor.LogMode, do: opened("logs", 0o755)},
		{name: "secrets open to others", code: doctor.SecretMode, do: opened("identity/device.json", 0o644)},
		{name: ".env open to others", code: doctor.EnvFileMode, do: open, then: noOpen},
		{name: ".env sets a variable twice", code: doctor.EnvFileTwice, key: "A", do: twice, hand: noTwice},
		{name: ".env holds a credential that nothing reads", code: doctor.EnvFileToken, do: token, hand: noToken},
		{name: ".env is a pipe", code: doctor.NotRegular, do: func(m *machine) { m.Helper(); m.try(syscall.Mkfifo(m.state(".env"), 0o600)) },
			hand: func(m *machine) { m.Helper(); m.try(os.Remove(m.state(".env"))) }},
		{name: "logs cannot be written", code: doctor.LogUnwritable, do: opened("logs", 0o500), hand: opened("logs", 0o700)},
		{name: "logs over budget", code: doctor.LogBudget, do: func(m *machine) {
			m.Helper()
			huge(m)
			m.try(os.Truncate(m.state("logs/coderclaw-2020-01-01.log"), 8<<30))
		}, hand: noHuge},
		{name: "workspace missing", code: doctor.WorkspaceMissing, do: gone, hand: back},
		{name: "list of devices damaged", code: doctor.DevicesDamaged, do: func(m *machine) { m.Helper(); devices(m); m.write(m.state("devices/paired.json"), "{") }, hand: mended},
		{name: "a file of tomorrow", code: doctor.ClockSkew, do: func(m *machine) {
			m.Helper()
			m.try(os.Chtimes(m.victim().ConfigPath, time.Time{}, time.Now().Add(24*time.Hour)))
		}, hand: func(m *machine) { m.Helper(); m.try(os.Chtimes(m.victim().ConfigPath, time.Time{}, time.Now())) }},
		{name: "registry open to others", code: doctor.RegistryMode, do: func(m *machine) {
			m.Helper()
			m.mkdir(filepath.Dir(m.registry.Path()))
			m.write(m.registry.Path(), "")
			m.try(os.Chmod(m.registry.Path(), 0o666))
		}, then: func(m *machine) { m.Helper(); m.try(os.Remove(m.registry.Path())) }},
	}
}
