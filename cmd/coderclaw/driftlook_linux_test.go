package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

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
	text, code = m.runBy(m.manager, slices.Concat([]string{"--profile", victim, "doctor", "--json", "--non-interactive"}, flags, m.flags)...)
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
		out, code = m.asks("health", "--json")
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
	m.until("its config is kept as the last good one", func() bool { return m.seen().Kept }) // a moment after it is ready
}

// stat is what would change if a file were written or replaced.
type stat struct {
	mode     fs.FileMode
	size, at int64
	inode    uint64
	link     string
}

// files lists all that doctor might write to: the units and the profiles' own
// directories, apart from the logs, which the gateways write, and from what a
// supervisor writes down of a start a moment after it.
func (m *machine) files() map[string]stat {
	m.Helper()
	out := map[string]stat{}
	roots := []string{m.units, filepath.Dir(m.registry.Path()), machineDir}
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
			if d.Name() == filepath.Base(m.victim().Ledger()) {
				return nil
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
