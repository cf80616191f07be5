package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// victim is the profile whose service the scenarios break; the others must never notice.
const victim = profiles.Default

// machine is a host on which three profiles have services.
type machine struct {
	host
	scope    servicegen.Scope
	program  string // coderclaw, where it may stay
	registry *profiles.Registry
	sound    map[string]string // what systemd shows of the victim's unit while nothing is wrong
	unitText []byte            // and what its file and its config hold
	config   []byte
	byHand   *exec.Cmd // what a scenario runs as a person would
}

// newMachine installs the services and remembers how they are when nothing is wrong.
func newMachine(t *testing.T) *machine {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{host: host{t, filepath.Join(home, ".config", "systemd", "user")}, scope: servicegen.ScopeUser,
		program: filepath.Join(home, ".local", "bin", "coderclaw")}
	m.systemctl("is-system-running", "--wait")
	self, err := os.Executable()
	m.try(err)
	m.try(os.MkdirAll(filepath.Dir(m.program), 0o755))
	place(t, self, m.program)
	for _, profile := range []string{"dev", "rescue", victim} {
		m.must(m.program, "--profile", profile, "gateway", "install")
	}
	path, err := profiles.RegistryPath(os.LookupEnv)
	m.try(err)
	m.registry, err = profiles.Load(path, home)
	m.try(err)
	m.sound = m.shown()
	m.unitText, m.config = m.read(m.unit()), m.read(m.victim().ConfigPath)
	m.healthy()
	if found, code, text := m.diagnose(); code != 0 || len(found.Findings) > 0 {
		m.Fatalf("something is wrong from the start: exit %d\n%s", code, text)
	}
	return m
}

// coderclaw acts on the victim, and must succeed.
func (m *machine) coderclaw(args ...string) string {
	m.Helper()
	return m.must(m.program, append([]string{"--profile", victim}, args...)...)
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
	return m.must("systemctl", append([]string{"--" + string(m.scope)}, args...)...)
}

// startAnew has the manager start the victim's service again. Like a minute of
// patience, it keeps the many starts of a table from looking like a loop.
func (m *machine) startAnew() {
	m.Helper()
	m.run("systemctl", "--"+string(m.scope), "reset-failed", m.name()) // fails for one that is not loaded
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

// write writes in place, as editors do that people use.
func (m *machine) write(path, text string) {
	m.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.Fatal(err)
	}
}

func (m *machine) try(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// shownKeys are what `systemctl show` is asked for: what makes a service sound.
var shownKeys = []string{
	"LoadState", "ActiveState", "SubState", "UnitFileState", "FragmentPath", "DropInPaths", "NeedDaemonReload", "Result",
	"Description", "StartLimitIntervalUSec", "StartLimitBurst", "Type", "NotifyAccess", "ExecStart", "ExecStartPre", "Environment", "EnvironmentFiles",
	"Restart", "RestartUSec", "RestartPreventExitStatus", "KillMode", "Delegate", "WatchdogUSec", "TimeoutStopUSec", "UMask", "WantedBy", "User",
}

// runOf is the part of ExecStart that tells of one run of it.
var runOf = regexp.MustCompile(` ; start_time=.*`)

// shown is what systemd shows of the victim's unit.
func (m *machine) shown() map[string]string {
	m.Helper()
	out := map[string]string{}
	for line := range strings.Lines(m.systemctl("show", "-p", strings.Join(shownKeys, ","), m.name())) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		out[key] = runOf.ReplaceAllString(value, "")
	}
	return out
}

// pids are those of supervisor and gateway of every profile but the victim.
func (m *machine) pids() map[string][2]int {
	m.Helper()
	out := map[string][2]int{}
	for _, p := range m.registry.List() {
		if p.Name != victim {
			out[p.Name] = m.pidsOf(p)
		}
	}
	return out
}

// pidsOf are the pids of supervisor and gateway of p, 0 where none runs.
func (m *machine) pidsOf(p profiles.Profile) [2]int {
	m.Helper()
	_, info, err := control.Find(p)
	if err != nil && !errors.Is(err, control.ErrNone) {
		m.Fatal(err)
	}
	h, _ := statelock.Find(p)
	return [2]int{info.PID, h.PID}
}

// diagnose runs doctor on the victim.
func (m *machine) diagnose(flags ...string) (report doctorReport, code int, text string) {
	m.Helper()
	text, code = m.run(m.program, append([]string{"--profile", victim, "doctor", "--json", "--non-interactive"}, flags...)...)
	_, body, ok := strings.Cut("\n"+text, "\n{") // what is for people comes before
	if err := json.Unmarshal([]byte("{"+body), &report); err != nil || !ok {
		m.Fatalf("doctor %v: exit %d, %v\n%s", flags, code, err, text)
	}
	return report, code, text
}

// lists tells whether the report has a finding of that code about that key; an
// empty key stands for any.
func lists(report doctorReport, code doctor.Code, key string) bool {
	return slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool {
		return f.Code == code && (key == "" || f.Key == key)
	})
}

// healthy proves that the victim's service is as it was at first: by what systemd
// shows, and by what its gateway says of itself.
func (m *machine) healthy() {
	m.Helper()
	now := m.shown()
	for _, key := range slices.Sorted(maps.Keys(m.sound)) {
		if now[key] != m.sound[key] {
			m.Errorf("systemd shows %s=%s, want %s", key, now[key], m.sound[key])
		}
	}
	var out string
	m.until("the gateway answers", func() bool { // it may be about to take up a config that was mended
		var code int
		out, code = m.run(m.program, "--profile", victim, "health", "--json")
		return code == 0
	})
	var h protocol.HealthSummary
	if err := json.Unmarshal([]byte(out), &h); err != nil || h.Coderclaw == nil {
		m.Fatalf("health: %v\n%s", err, out)
	}
	pids := m.pidsOf(m.victim())
	if h.Coderclaw.Profile != victim || h.Coderclaw.PID != pids[1] || h.Coderclaw.Degraded != "" {
		m.Errorf("the gateway says that it is %+v, want profile %s, pid %d", *h.Coderclaw, victim, pids[1])
	}
	if main := strings.TrimSpace(m.systemctl("show", "--value", "-p", "MainPID", m.name())); main != fmt.Sprint(pids[0]) {
		m.Errorf("the unit's process is %s, the supervisor %d", main, pids[0])
	}
}

// stat is what would change if a file were written or replaced.
type stat struct {
	mode     fs.FileMode
	size, at int64
	inode    uint64
	link     string
}

// files lists all that doctor might write to: the units and the profiles' own
// directories, apart from the logs, which the gateways write.
func (m *machine) files() map[string]stat {
	m.Helper()
	out := map[string]stat{}
	roots := []string{m.units, filepath.Dir(m.registry.Path())}
	for _, p := range m.registry.List() {
		roots = append(roots, p.StateDir)
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) { // a scenario may have shut a directory
				return nil
			}
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "logs" {
				return fs.SkipDir
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			link, _ := os.Readlink(path) // "" for what is no link
			sys := info.Sys().(*syscall.Stat_t)
			out[path] = stat{info.Mode(), info.Size(), info.ModTime().UnixNano(), sys.Ino, link}
			return nil
		})
		m.try(err)
	}
	return out
}

// changed names the files that differ.
func changed(before, after map[string]stat) []string {
	var out []string
	for path := range before {
		if now, ok := after[path]; !ok || now != before[path] {
			out = append(out, path)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// reset puts back by hand what a failed scenario left, so that those after it
// start from a sound service.
func (m *machine) reset() {
	m.Helper()
	m.run("systemctl", "--"+string(m.scope), "stop", m.name())
	m.try(os.RemoveAll(m.unit()))
	m.try(os.RemoveAll(m.unit() + ".d"))
	m.write(m.unit(), string(m.unitText))
	m.try(os.Chmod(m.victim().StateDir, 0o700))
	m.try(os.RemoveAll(m.victim().ConfigPath))
	m.write(m.victim().ConfigPath, string(m.config))
	m.systemctl("daemon-reload")
	m.run("systemctl", "--"+string(m.scope), "unmask", "--runtime", m.name())
	m.systemctl("reenable", m.name())
	m.run("systemctl", "--"+string(m.scope), "reset-failed", m.name())
	m.coderclaw("gateway", "start")
}
