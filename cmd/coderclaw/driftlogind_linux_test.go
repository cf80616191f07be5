package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// TestServicesDriftOfLogins switches lingering off below services of a user, with a
// logind that ends the user's manager at the last logout.
func TestServicesDriftOfLogins(t *testing.T) {
	t.Parallel()
	if !systemdtest.InsideMachine(t) {
		return
	}
	h := host{t, filepath.Join(clawHome, ".config", "systemd", "user")}
	h.writeFile("/etc/systemd/logind.conf.d/test.conf", "[Login]\nUserStopDelaySec=0\n") // else ten seconds after each logout
	h.must("systemctl", "restart", "systemd-logind.service")
	h.must("loginctl", "enable-linger", theUser)
	m := ofLogins(h)
	m.table(loginDrifts())
}

// session logs the user in, until the returned function ends it.
func (m *machine) session() (logout func()) {
	m.Helper()
	cmd := exec.Command("runuser", "-l", theUser, "-c", "exec sleep 1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	m.try(cmd.Start())
	leader, id := strconv.Itoa(cmd.Process.Pid), ""
	m.until("the user is logged in", func() bool {
		for line := range strings.Lines(m.sessions()) { // one of before may still be closing
			one := strings.Fields(line)[0]
			if out, _ := m.run("loginctl", "show-session", one, "--value", "-p", "Leader"); strings.TrimSpace(out) == leader {
				id = one
			}
		}
		return id != ""
	})
	return func() {
		m.Helper()
		m.must("loginctl", "terminate-session", id)
		_ = cmd.Wait() // how it ends is not the matter here
		m.until("the user is logged out", func() bool { return m.sessions() == "" })
	}
}

func (m *machine) sessions() string {
	m.Helper()
	return strings.TrimSpace(m.must("loginctl", "list-sessions", "--no-legend"))
}

// managerIs waits for the user's manager.
func (m *machine) managerIs(want string) {
	m.Helper()
	m.until("the user's manager is "+want, func() bool {
		out, _ := m.run("systemctl", "is-active", fmt.Sprintf("user@%d.service", m.uid))
		return strings.TrimSpace(out) == want
	})
}

// lingers waits for what comes of the user's lingering again.
func lingers(m *machine) {
	m.Helper()
	m.managerIs("active")
	for _, p := range m.registry.List() {
		m.until(p.Name+" runs", func() bool { return m.pidsOf(p)[1] != 0 })
	}
	if seen := m.seen(); seen.State != instance.Ready {
		m.Errorf("the repair did not wait for the gateway: %+v", seen)
	}
}

// loginDrifts are what lingering, its absence and logouts make of services.
func loginDrifts() []drift {
	var logout func()
	unlingered := func(m *machine) { m.Helper(); m.must("loginctl", "disable-linger", theUser) }
	return []drift{
		{name: "lingering off, logged in", code: doctor.LingerOff, do: func(m *machine) { m.Helper(); logout = m.session(); unlingered(m) },
			then: func(m *machine) {
				m.Helper()
				if out := strings.TrimSpace(m.must("loginctl", "show-user", "--value", "-p", "Linger", theUser)); out != "yes" {
					m.Errorf("lingering is %s", out)
				}
				logout()
				m.managerIs("active")
			}},
		{name: "a logout while lingering", do: func(m *machine) {
			m.Helper()
			m.session()()
			m.managerIs("active")
		}},
		{name: "lingering off, logged out", code: doctor.ManagerGone, anew: true, do: func(m *machine) {
			m.Helper()
			logout = m.session()
			unlingered(m)
			logout()
			m.managerIs("inactive")
		}, then: lingers},
		{name: "edited while logged out", code: doctor.UnitKeyDrift, key: "KillMode", anew: true, do: func(m *machine) {
			m.Helper()
			unlingered(m)
			m.managerIs("inactive")
			line("KillMode", "KillMode=process\n")(m)
		}, then: func(m *machine) {
			m.Helper()
			if strings.Contains(string(m.read(m.unit())), "KillMode=process") {
				m.Errorf("the file was not mended without a manager")
			}
			lingers(m)
		}},
	}
}
