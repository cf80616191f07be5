package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/internal/systemdtest"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// host is a user's machine with a systemd manager.
type host struct {
	*testing.T
	units string // directory of the user's unit files
}

// run runs a command line and returns what it printed and its exit code.
func (h host) run(name string, args ...string) (string, int) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		h.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must is run for commands that have to succeed.
func (h host) must(name string, args ...string) string {
	h.Helper()
	out, code := h.run(name, args...)
	if code != 0 {
		h.Fatalf("%s %v: exit %d\n%s", name, args, code, out)
	}
	return out
}

// pid is the gateway's, as `ps` shows it.
func (h host) pid(profile string) int {
	h.Helper()
	out, _ := h.run("coderclaw", "ps", "--json")
	var report psReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		h.Fatalf("ps: %v\n%s", err, out)
	}
	for _, i := range report.Instances {
		if i.Profile == profile {
			return i.PID
		}
	}
	return 0
}

// until polls until ok, for things that only the kernel or systemd can announce.
func (h host) until(what string, ok func() bool) {
	h.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit.C:
			h.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}

// allFacts is what a status says of a gateway that lacks nothing.
const allFacts = "Registered: yes, loaded: yes, process alive: yes, owns the port: yes, ready: yes, authenticated: yes"

// answers tells whether a gateway of the default profile does all that it should. Its
// RPC answers a moment before its supervisor takes it for ready.
func (h host) answers() bool {
	h.Helper()
	out, code := h.run("coderclaw", "gateway", "status", "--require-rpc")
	return code == 0 && strings.Contains(out, allFacts)
}

func (h host) healthy(flags ...string) {
	h.Helper()
	out := h.must("coderclaw", append(flags, "gateway", "status", "--require-rpc")...)
	for _, want := range []string{"Runtime: running", "RPC probe: ok", "Service: systemd (enabled)", allFacts} {
		if !strings.Contains(out, want) {
			h.Errorf("%v: status lacks %q:\n%s", flags, want, out)
		}
	}
}

// TestServices installs two profiles beside a real manager, kills and replaces them.
func TestServices(t *testing.T) {
	t.Parallel()
	if !systemdtest.Inside(t) {
		return
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	h := host{t, filepath.Join(home, ".config", "systemd", "user")}
	h.must("systemctl", "--user", "is-system-running", "--wait")
	if out := h.must("coderclaw", "gateway", "install"); !strings.Contains(out, "Installed systemd service: "+h.units+"/coderclaw-gateway.service") {
		t.Errorf("install says:\n%s", out)
	}
	h.must("coderclaw", "--profile", "rescue", "gateway", "install")
	h.healthy()
	h.healthy("--profile", "rescue")
	for _, unit := range []string{"coderclaw-gateway.service", "coderclaw-gateway-rescue.service"} {
		got := h.must("systemctl", "--user", "show", "-p", "Type,ActiveState,SubState,UnitFileState,NeedDaemonReload", unit)
		if want := "Type=notify\nActiveState=active\nSubState=running\nUnitFileState=enabled\nNeedDaemonReload=no\n"; sorted(got) != sorted(want) {
			t.Errorf("%s: %s", unit, got)
		}
		if out := h.must("systemd-analyze", "--user", "verify", filepath.Join(h.units, unit)); out != "" {
			t.Errorf("verify %s: %s", unit, out)
		}
	}
	text, err := os.ReadFile(filepath.Join(h.units, "coderclaw-gateway.service"))
	if err != nil || bytes.Contains(text, []byte("TOKEN")) {
		t.Errorf("the unit: %v\n%s", err, text)
	}
	if out := h.must("coderclaw", "gateway", "install"); !strings.Contains(out, "already") {
		t.Errorf("a second install says:\n%s", out)
	}

	t.Run("a control group each", h.groups)
	t.Run("journal", h.journal)
	t.Run("kill one gateway", h.killOne)
	t.Run("replace the supervisors", h.reexec)
	t.Run("verbs", h.verbs)
	t.Run("uninstall", h.uninstall)
}

func sorted(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		for j := i + 1; j < len(lines); j++ {
			if lines[j] < lines[i] {
				lines[i], lines[j] = lines[j], lines[i]
			}
		}
	}
	return strings.Join(lines, "\n")
}

// groups: each gateway runs in a control group of its own, in the one that the
// user's manager has handed to its supervisor.
func (h host) groups(t *testing.T) {
	h = host{t, h.units}
	for _, profile := range []string{"default", "rescue"} {
		var report psReport
		out, _ := h.run("coderclaw", "ps", "--json")
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(report.Instances, func(i control.Instance) bool { return i.Profile == profile })
		if i < 0 || filepath.Base(report.Instances[i].Group) != "instance-"+profile {
			t.Fatalf("%s: %s", profile, out)
		}
		group := report.Instances[i].Group
		pids, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		if err != nil || strings.TrimSpace(string(pids)) != strconv.Itoa(h.pid(profile)) {
			t.Errorf("%s holds %q, %v; the gateway is %d", group, pids, err, h.pid(profile))
		}
	}
}

func (h host) killOne(t *testing.T) {
	h.T = t
	before, rescue := h.pid("default"), h.pid("rescue")
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.until("another gateway is ready", func() bool {
		pid := h.pid("default")
		return pid != 0 && pid != before
	})
	h.until("it answers", h.answers)
	if got := h.pid("rescue"); got != rescue {
		t.Errorf("the other gateway's pid went from %d to %d", rescue, got)
	}
}

// reexec replaces both supervisors, and systemd sees only a reload.
func (h host) reexec(t *testing.T) {
	h.T = t
	units := []string{"coderclaw-gateway.service", "coderclaw-gateway-rescue.service"}
	state := func() (all string) {
		for _, u := range units {
			all += h.must("systemctl", "--user", "show", "-p", "MainPID,ActiveState,SubState,NRestarts,ExecMainStartTimestampMonotonic", u)
		}
		return all
	}
	before, first, second := state(), h.pid("default"), h.pid("rescue")
	for range 3 {
		h.must("coderclaw", "supervisor", "reexec")
	}
	h.until("the units are active", func() bool { return state() == before })
	if h.pid("default") != first || h.pid("rescue") != second {
		t.Errorf("the gateways' pids went from %d, %d to %d, %d", first, second, h.pid("default"), h.pid("rescue"))
	}
	h.healthy()
	h.healthy("--profile", "rescue")
}

func (h host) findings() (map[doctor.Code]bool, int) {
	h.Helper()
	out, code := h.run("coderclaw", "doctor", "--json")
	var report doctorReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		h.Fatalf("doctor --json: %v\n%s", err, out)
	}
	found := map[doctor.Code]bool{}
	for _, f := range report.Findings {
		found[f.Code] = true
	}
	return found, code
}

// verbs stops, starts and restarts by coderclaw's own words.
func (h host) verbs(t *testing.T) {
	h.T = t
	const name = "coderclaw-gateway.service"
	h.must("coderclaw", "gateway", "stop")
	if out, _ := h.run("systemctl", "--user", "is-active", name); strings.TrimSpace(out) != "inactive" {
		t.Errorf("after stop the unit is %s", out)
	}
	if found, code := h.findings(); code != 0 {
		t.Errorf("what was asked for is found: exit %d, %v", code, found)
	}
	h.must("coderclaw", "gateway", "start")
	h.healthy()
	before, unit := h.pid("default"), h.must("systemctl", "--user", "show", "-p", "MainPID", name)
	h.must("coderclaw", "gateway", "restart")
	if after := h.pid("default"); after == before || after == 0 {
		t.Errorf("restart: pid %d stays %d", before, after)
	}
	if got := h.must("systemctl", "--user", "show", "-p", "MainPID", name); got != unit {
		t.Errorf("a restart of the gateway replaced the supervisor: %s, %s", unit, got)
	}
	out := h.must("coderclaw", "gateway", "restart", "--json")
	var res serviceResult
	if err := json.Unmarshal([]byte(out), &res); err != nil || !res.OK || res.Result != "restarted" || res.Service == nil || res.Service.Label != name {
		t.Errorf("restart --json: %v\n%s", err, out)
	}
}

func (h host) uninstall(t *testing.T) {
	h.T = t
	rescue := h.pid("rescue")
	h.must("coderclaw", "gateway", "uninstall")
	if out := h.must("systemctl", "--user", "list-units", "--all", "--no-legend", "coderclaw-gateway.service"); strings.TrimSpace(out) != "" {
		t.Errorf("systemd still knows:\n%s", out)
	}
	if _, err := os.Lstat(filepath.Join(h.units, "coderclaw-gateway.service")); !os.IsNotExist(err) {
		t.Errorf("the file: %v", err)
	}
	if got := h.pid("rescue"); got != rescue || got == 0 {
		t.Errorf("the other gateway's pid went from %d to %d", rescue, got)
	}
	h.must("coderclaw", "gateway", "uninstall")
	h.must("coderclaw", "--profile", "rescue", "gateway", "uninstall")
}

// journal looks for the supervisor's own lines where an operator would.
func (h host) journal(t *testing.T) {
	h.T = t
	var entry map[string]any
	h.until("the start of the gateway in the journal", func() bool {
		out := h.must("journalctl", "--quiet", "--output=json", "--user-unit=coderclaw-gateway-rescue.service",
			"CODERCLAW_PROFILE=rescue", "PRIORITY=6", "SYSLOG_IDENTIFIER=coderclaw")
		for line := range strings.Lines(out) {
			if json.Unmarshal([]byte(line), &entry) == nil && strings.HasPrefix(fmt.Sprint(entry["MESSAGE"]), "ready profile=rescue pid=") {
				return true
			}
		}
		return false
	})
	if pid := fmt.Sprint(entry["CODERCLAW_PID"]); pid != fmt.Sprint(h.pid("rescue")) {
		t.Errorf("the entry: %v", entry)
	}
}
