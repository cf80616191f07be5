package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"syscall"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/supervisor/control"
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
		configured(func([]byte) []byte { return m.config })(m)
		m.becomes(instance.Ready)
	}
}

// seen is how the supervisor sees the victim's gateway.
func (m *machine) seen() control.Instance {
	m.Helper()
	client, _, err := control.Find(m.victim())
	if err != nil {
		return control.Instance{}
	}
	st, err := client.Status(m.Context())
	if err != nil || len(st.Instances) != 1 {
		return control.Instance{}
	}
	return st.Instances[0]
}

// becomes waits until the victim's gateway is in that state.
func (m *machine) becomes(want instance.State) {
	m.Helper()
	defer func() {
		if m.Failed() {
			m.Logf("its supervisor says %+v", m.seen())
		}
	}()
	m.until("the gateway is "+string(want), func() bool { return m.seen().State == want })
}

// tokenOf is the credential of a config.
var tokenOf = regexp.MustCompile(`("?token"?: *)"[^"]*"`)

// gatewayOf is where the settings of the gateway begin.
var gatewayOf = regexp.MustCompile(`("?gateway"?: *\{)`)

// configDrifts are in the victim's own directory.
func configDrifts() []drift {
	broken := func(was []byte) []byte { return bytes.Replace(was, []byte("{"), []byte("{ gateway"), 1) }
	unknown := func(was []byte) []byte { return bytes.Replace(was, []byte("{"), []byte("{ nonsense: 1,"), 1) }
	original := func(m *machine) {
		m.Helper()
		m.healthy()
		configured(func([]byte) []byte { return m.config })(m)
		m.startAnew() // nothing watches a config yet
		m.becomes(instance.Ready)
	}
	return []drift{
		{name: "config is not JSON", code: doctor.ConfigInvalid, do: configured(broken), hand: putBack(broken)},
		{name: "config has an unknown key", code: doctor.ConfigInvalid, key: "nonsense", do: configured(unknown), hand: putBack(unknown)},
		{name: "config missing", code: doctor.ConfigMissing, do: func(m *machine) { m.Helper(); m.try(os.Remove(m.victim().ConfigPath)) }, then: original},
		{name: "config without a token", code: doctor.ConfigIncomplete, do: configured(func(was []byte) []byte { return tokenOf.ReplaceAll(was, []byte(`$1""`)) }), then: original},
		{name: "config open to others", code: doctor.ConfigMode, do: func(m *machine) { m.Helper(); m.try(os.Chmod(m.victim().ConfigPath, 0o644)) }},
		{name: "state dir open to others", code: doctor.StateDirMode, do: func(m *machine) { m.Helper(); m.try(os.Chmod(m.victim().StateDir, 0o755)) }},
		{name: "state dir closed to its owner", code: doctor.StateDirMode, do: func(m *machine) { m.Helper(); m.try(os.Chmod(m.victim().StateDir, 0o500)) }},
		{name: "a token with a space and %", do: func(m *machine) {
			m.Helper()
			configured(func(was []byte) []byte { return tokenOf.ReplaceAll(was, []byte(`$1"two words, 100%h %% $$HOME"`)) })(m)
			m.startAnew()
			m.becomes(instance.Ready)
		}, then: func(m *machine) {
			m.Helper()
			m.healthy()
			configured(func([]byte) []byte { return m.config })(m)
			m.startAnew()
			m.becomes(instance.Ready)
		}},
	}
}

// portDrifts are about who listens on the victim's port.
func portDrifts() []drift {
	var stranger net.Listener
	var byHand *exec.Cmd
	stop := func(m *machine) { m.Helper(); m.systemctl("stop", m.name()) }
	start := func(m *machine) {
		m.Helper()
		m.startAnew()
		m.becomes(instance.Blocked)
	}
	freed := func(m *machine) { m.Helper(); m.becomes(instance.Ready) }
	rescuePort := func(was []byte) []byte { return gatewayOf.ReplaceAll(was, []byte("${1} port: 19789,")) }
	return []drift{
		{name: "port held by a stranger", code: doctor.PortHeld, do: func(m *machine) {
			m.Helper()
			stop(m)
			var err error
			stranger, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", m.victim().Port))
			m.try(err)
			start(m)
		}, hand: func(m *machine) { m.Helper(); m.try(stranger.Close()); freed(m) }},
		{name: "gateway run by hand", code: doctor.InstanceDown, do: func(m *machine) {
			m.Helper()
			stop(m)
			byHand = exec.Command(m.program, "gateway")
			m.try(byHand.Start())
			m.until("it runs", func() bool { return m.pidsOf(m.victim())[1] == byHand.Process.Pid })
			start(m)
		}, hand: func(m *machine) {
			m.Helper()
			m.try(byHand.Process.Signal(syscall.SIGTERM))
			_ = byHand.Wait() // how it ends is not the matter here
			freed(m)
		}},
		{name: "the port of another profile", code: doctor.InstanceDown, do: func(m *machine) {
			m.Helper()
			configured(rescuePort)(m)
			m.startAnew()
			m.becomes(instance.Blocked)
		}, hand: putBack(rescuePort)},
	}
}
