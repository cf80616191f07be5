package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// victim is the profile whose service the scenarios break; the others must never notice.
const victim = profiles.Default

// machine is a host on which three profiles of the user have services, those of
// the user or of the machine.
type machine struct {
	host
	scope    servicegen.Scope
	home     string // of the user
	uid      int
	program  string   // coderclaw, where it may stay
	manager  []string // how coderclaw is run by who may change the services,
	flags    []string // and what is added to such a verb
	remote   []string // how systemctl finds another user's manager
	user     []string // how the user runs it
	registry *profiles.Registry
	sound    map[string]string // what systemd shows of the victim's unit while nothing is wrong
	unitText []byte            // and what its file and its config hold
	config   []byte
	byHand   *exec.Cmd // what a scenario runs as a person would
}

// ofUser is the machine of a user who has services of their own.
func ofUser(t *testing.T) *machine {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	return newMachine(&machine{host: host{t, filepath.Join(home, ".config", "systemd", "user")}, scope: servicegen.ScopeUser, home: home,
		uid: os.Getuid(), program: filepath.Join(home, ".local", "bin", "coderclaw")})
}

// ofMachine is one whose services belong to it, and run as the user.
func ofMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{host: host{t, "/etc/systemd/system"}, scope: servicegen.ScopeSystem, home: clawHome, program: installed, flags: []string{"--system"}}
	m.uid, m.user = m.idOf(theUser), asClaw()
	m.manager = []string{"env", "-i", "HOME=/root", "USER=root", "PATH=/usr/local/bin:/usr/bin:/bin", noRaceVar, "SUDO_USER=" + theUser, "SUDO_UID=" + strconv.Itoa(m.uid)}
	return newMachine(m)
}

// ofLogins is a machine whose user lingers and has services of their own.
func ofLogins(h host) *machine {
	h.Helper()
	m := &machine{host: h, scope: servicegen.ScopeUser, home: clawHome, program: installed, remote: []string{"-M", theUser + "@"}}
	m.uid = m.idOf(theUser)
	m.user = asClaw()
	m.manager = m.user
	return newMachine(m)
}

// asClaw is how root has the user run something without a login.
func asClaw() []string {
	return []string{"setpriv", "--reuid", theUser, "--regid", theUser, "--init-groups", "env", "-i", "HOME=" + clawHome, "USER=" + theUser,
		"PATH=/usr/local/bin:/usr/bin:/bin", noRaceVar}
}

func (m *machine) idOf(user string) int {
	m.Helper()
	uid, err := strconv.Atoi(strings.TrimSpace(m.must("id", "-u", user)))
	m.try(err)
	return uid
}

// newMachine installs the services and remembers how they are when nothing is wrong.
func newMachine(m *machine) *machine {
	m.Helper()
	m.systemctl("is-system-running", "--wait")
	self, err := os.Executable()
	m.try(err)
	m.try(os.MkdirAll(filepath.Dir(m.program), 0o755))
	place(m.T, self, m.program)
	for _, profile := range []string{"dev", "rescue", victim} {
		if out, code := m.runBy(m.manager, append([]string{"--profile", profile, "gateway", "install"}, m.flags...)...); code != 0 {
			m.Fatalf("install %s: exit %d\n%s", profile, code, out)
		}
	}
	m.registry, err = profiles.Load(filepath.Join(m.home, ".config", "coderclaw", "profiles.toml"), m.home)
	m.try(err)
	m.sound = m.shown()
	m.unitText, m.config = m.read(m.unit()), m.read(m.victim().ConfigPath)
	m.healthy()
	if found, code, text := m.diagnose(); code != 0 || len(found.Findings) > 0 {
		m.Fatalf("something is wrong from the start: exit %d\n%s", code, text)
	}
	return m
}

// runBy runs coderclaw, behind what makes somebody run it.
func (m *machine) runBy(by []string, args ...string) (string, int) {
	m.Helper()
	line := slices.Concat(by, []string{m.program}, args)
	return m.run(line[0], line[1:]...)
}

// asks has the user ask something about the victim.
func (m *machine) asks(args ...string) (string, int) {
	m.Helper()
	return m.runBy(m.user, append([]string{"--profile", victim}, args...)...)
}

// coderclaw acts on the victim's service, and must succeed.
func (m *machine) coderclaw(args ...string) string {
	m.Helper()
	out, code := m.runBy(m.manager, slices.Concat([]string{"--profile", victim}, args, m.flags)...)
	if code != 0 {
		m.Fatalf("coderclaw %v: exit %d\n%s", args, code, out)
	}
	return out
}

func (m *machine) profile(name string) profiles.Profile {
	m.Helper()
	p, err := m.registry.Get(name)
	if err != nil {
		m.Fatal(err)
	}
	return p
}

func (m *machine) victim() profiles.Profile { return m.profile(victim) }

// name and unit are the name of the victim's unit and the path of its file.
func (m *machine) name() string { return m.victim().UnitName() }
func (m *machine) unit() string { return filepath.Join(m.units, m.name()) }

// systemctl speaks to the manager that has the services.
func (m *machine) systemctl(args ...string) string {
	m.Helper()
	out, code := m.ctl(args...)
	if code != 0 {
		m.Fatalf("systemctl %v: exit %d\n%s", args, code, out)
	}
	return out
}

// ctl is systemctl for what may fail.
func (m *machine) ctl(args ...string) (string, int) {
	m.Helper()
	return m.run("systemctl", slices.Concat([]string{"--" + string(m.scope)}, m.remote, args)...)
}

// startAnew has the manager start the victim's service again. Like a minute of
// patience, it keeps the many starts of a table from looking like a loop.
func (m *machine) startAnew() {
	m.Helper()
	m.ctl("reset-failed", m.name()) // fails for one that is not loaded
	m.systemctl("restart", m.name())
}

func (m *machine) read(path string) []byte {
	m.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		m.Fatal(err)
	}
	return raw
}

// write writes in place, as editors do that people use. What is new in the user's
// home is the user's.
func (m *machine) write(path, text string) {
	m.Helper()
	mode := fs.FileMode(0o600)
	if strings.HasPrefix(path, "/etc/") {
		mode = 0o644
	}
	m.try(os.WriteFile(path, []byte(text), mode))
	m.owned(path)
}

// mkdir makes a directory that may be there already.
func (m *machine) mkdir(path string) {
	m.Helper()
	m.try(os.MkdirAll(path, 0o755))
	m.owned(path)
}

// owned gives what was made in the user's home to the user.
func (m *machine) owned(path string) {
	m.Helper()
	if strings.HasPrefix(path, m.home+"/") {
		m.try(os.Lchown(path, m.uid, m.uid))
	}
}

func (m *machine) try(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// reset puts back by hand what a failed scenario left, so that those after it
// start from a sound service.
func (m *machine) reset() {
	m.Helper()
	m.ctl("stop", m.name())
	m.try(os.RemoveAll(m.unit()))
	m.try(os.RemoveAll(m.unit() + ".d"))
	m.write(m.unit(), string(m.unitText))
	m.try(os.Chmod(m.victim().StateDir, 0o700))
	m.try(os.RemoveAll(m.victim().ConfigPath))
	m.write(m.victim().ConfigPath, string(m.config))
	m.systemctl("daemon-reload")
	m.ctl("unmask", "--runtime", m.name())
	m.systemctl("reenable", m.name())
	m.ctl("reset-failed", m.name())
	m.coderclaw("gateway", "start")
}
