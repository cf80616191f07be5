package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// seen is how the supervisor sees the victim's gateway.
func (m *machine) seen() control.Instance {
	m.Helper()
	var report psReport
	out, _ := m.asks("ps", "--json") // exit 3 where nothing runs
	_ = json.Unmarshal([]byte(out), &report)
	for _, i := range report.Instances {
		if i.Profile == victim {
			return i
		}
	}
	return control.Instance{}
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

// start runs coderclaw as a person does, until end.
func (m *machine) start(args ...string) {
	m.Helper()
	line := slices.Concat(m.user, []string{m.program}, args)
	m.byHand = exec.Command(line[0], line[1:]...)
	m.try(m.byHand.Start())
}

func (m *machine) end() {
	m.Helper()
	m.try(m.byHand.Process.Signal(syscall.SIGTERM))
	_ = m.byHand.Wait() // how it ends is not the matter here
}

// portDrifts are about who listens where.
func portDrifts() []drift {
	var stranger net.Listener
	stop := func(m *machine) { m.Helper(); m.systemctl("stop", m.name()) }
	blocked := func(m *machine) { m.Helper(); m.startAnew(); m.becomes(instance.Blocked) }
	clash, moved, later := gatewaySetting("port: 19789"), gatewaySetting("port: 41000"), gatewaySetting("port: 18790")
	token := func(m *machine) string {
		return strings.Trim(strings.SplitN(string(tokenOf.Find(m.config)), ":", 2)[1], ` "`)
	}
	return []drift{
		{name: "port held by a stranger", code: doctor.PortHeld, do: func(m *machine) {
			m.Helper()
			stop(m)
			var err error
			stranger, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", m.victim().Port))
			m.try(err)
			blocked(m)
		}, hand: func(m *machine) { m.Helper(); m.try(stranger.Close()); m.becomes(instance.Ready) }},
		{name: "gateway run by hand", code: doctor.GatewayByHand, do: func(m *machine) {
			m.Helper()
			stop(m)
			m.start("gateway")
			m.until("it runs", func() bool { return m.pidsOf(m.victim())[1] == m.byHand.Process.Pid })
			blocked(m)
		}, hand: func(m *machine) { m.Helper(); m.end(); m.becomes(instance.Ready) }},
		{name: "the port of another profile", code: doctor.PortClash, key: "gateway.port", do: func(m *machine) {
			m.Helper()
			configured(clash)(m)
			blocked(m)
		}, hand: putBack(clash)},
		{name: "a port outside the block", code: doctor.PortMoved, key: "gateway.port", do: func(m *machine) {
			m.Helper()
			configured(moved)(m)
			m.startAnew()
			m.becomes(instance.Ready)
		}, then: func(m *machine) { m.Helper(); m.healthy(); m.original() }},
		{name: "a port that is not taken up", code: doctor.PortNotApplied, do: configured(later), hand: putBack(later)},
		{name: "the token in a process", code: doctor.TokenProcess, do: func(m *machine) {
			m.Helper()
			m.systemctl("set-environment", "CODERCLAW_GATEWAY_TOKEN="+token(m))
			m.startAnew()
			m.becomes(instance.Ready)
		}, hand: func(m *machine) {
			m.Helper()
			m.systemctl("unset-environment", "CODERCLAW_GATEWAY_TOKEN")
			m.startAnew()
			m.becomes(instance.Ready)
		}},
	}
}
