package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/confine"
	"github.com/coderclaw/coderclaw/internal/systemdtest"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// maxExposure is what `systemd-analyze security` may find at most, times ten.
const maxExposure = 25

const machineProgram = "/usr/local/bin/coderclaw"

// account is somebody as whom services of the machine run.
type account struct {
	host
	name, home string
}

func (a account) command(args ...string) []string {
	return append([]string{"-u", a.name, "--", "env", "HOME=" + a.home, machineProgram}, args...)
}

func (a account) coderclaw(args ...string) (string, int) {
	a.Helper()
	return a.run("runuser", a.command(args...)...)
}

func (a account) mustCoderclaw(args ...string) string {
	a.Helper()
	return a.must("runuser", a.command(args...)...)
}

// instance is the gateway of a profile.
func (a account) instance(profile string) control.Instance {
	a.Helper()
	out, _ := a.coderclaw("ps", "--json")
	var report psReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		return control.Instance{}
	}
	for _, i := range report.Instances {
		if i.Profile == profile {
			return i
		}
	}
	return control.Instance{}
}

// unit writes the profile's unit and returns its name.
func (a account) unit(profile string) string {
	a.Helper()
	var d servicegen.Definition
	out := a.mustCoderclaw("service", "render", "--profile", profile, "--target", "systemd-system", "--user", a.name, "--json")
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		a.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(d.Path, []byte(d.Text), 0o644); err != nil {
		a.Fatal(err)
	}
	if out := a.must("systemd-analyze", "verify", d.Path); out != "" {
		a.Errorf("verify: %s", out)
	}
	a.must("systemctl", "daemon-reload")
	a.must("systemctl", "enable", "--now", d.Name)
	out, code := a.run("systemd-analyze", "security", "--no-pager", "--threshold="+strconv.Itoa(maxExposure), d.Name)
	if code != 0 {
		a.Errorf("exposure: exit %d\n%s", code, out)
	}
	a.Logf("%s", out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:])
	state, err := servicegen.NewSystemd(servicegen.HostOptions{Scope: servicegen.ScopeSystem}).State(a.Context(), servicegen.Unit{Name: d.Name, Scope: servicegen.ScopeSystem})
	if err != nil {
		a.Fatal(err)
	}
	onDisk, err := servicegen.ParseView(servicegen.FormatSystemd, servicegen.ScopeSystem, []byte(d.Text))
	if err != nil {
		a.Fatal(err)
	}
	if diff := servicegen.Diff(onDisk, state.View); len(diff) > 0 {
		a.Errorf("disk and loaded differ: %v", diff)
	}
	return d.Name
}

// TestSystemUnit runs a hardened service of the machine, in which gateways still
// wall themselves off, have control groups of their own, and name who is in the way.
func TestSystemUnit(t *testing.T) {
	t.Parallel()
	if !systemdtest.InsideMachine(t) {
		return
	}
	program, err := exec.LookPath("coderclaw")
	if err != nil {
		t.Fatal(err)
	}
	place(t, program, machineProgram)
	h := host{T: t}
	h.must("systemctl", "is-system-running", "--wait")
	for _, a := range []account{{h, "claw", "/home/claw"}, {h, "root", "/root"}} {
		a.mustCoderclaw("setup")
		unit := a.unit("default")
		a.until("the gateway is ready", func() bool { return a.instance("default").State == "ready" })
		a.walledOff(unit)
		first := a.instance("default").PID
		a.must("kill", "-KILL", strconv.Itoa(first))
		a.until("another gateway is ready", func() bool {
			i := a.instance("default")
			return i.State == "ready" && i.PID != first
		})
		a.mustCoderclaw("supervisor", "reexec")
		if a.name == "claw" {
			a.blocked()
		}
		a.must("systemctl", "disable", "--now", unit)
	}
}

// walledOff holds what the gateway reports of itself, and what the kernel tells of
// it, against what a service of the machine promises.
func (a account) walledOff(unit string) {
	a.Helper()
	i := a.instance("default")
	var health struct {
		Coderclaw struct {
			Isolation protocol.Isolation `json:"isolation"`
		} `json:"coderclaw"`
	}
	out := a.mustCoderclaw("health", "--json")
	if err := json.Unmarshal([]byte(out), &health); err != nil {
		a.Fatalf("%v: %s", err, out)
	}
	got := health.Coderclaw.Isolation
	if abi, _ := confine.Landlock(); abi > 0 && (got.Landlock == 0 || len(got.Missing) > 0 || got.Mode != "standard") {
		a.Errorf("the gateway says of its isolation: %+v", got)
	}
	if filepath.Base(i.Group) != "instance-default" {
		a.Errorf("it is in the group %q", i.Group)
	}
	pids, err := os.ReadFile(filepath.Join(i.Group, "cgroup.procs"))
	if err != nil || strings.TrimSpace(string(pids)) != strconv.Itoa(i.PID) {
		a.Errorf("%s holds %q, %v; the gateway is %d", i.Group, pids, err, i.PID)
	}
	main := strings.TrimSpace(a.must("systemctl", "show", "-p", "MainPID", "--value", unit))
	for _, pid := range []string{main, strconv.Itoa(i.PID)} {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			a.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(status)) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		for _, want := range []string{"NoNewPrivs: 1", "Seccomp: 2", "CapEff: 0000000000000000", "CapBnd: 0000000000000000"} {
			if !slices.Contains(lines, want) {
				a.Errorf("pid %s lacks %q", pid, want)
			}
		}
		mounts, err := os.ReadFile("/proc/" + pid + "/mountinfo")
		if err != nil || !strings.Contains(string(mounts), " /usr /usr ro,") {
			a.Errorf("pid %s may write to /usr, %v:\n%s", pid, err, mounts)
		}
	}
	if _, err := os.Stat(filepath.Join(a.home, ".coderclaw", "logs")); err != nil {
		a.Error(err)
	}
}

// blocked has somebody hold the port of a second profile, and expects to hear who.
func (a account) blocked() {
	a.Helper()
	const rescuePort = "19789"
	thief := exec.Command("runuser", "-u", a.name, "--", "perl", "-MIO::Socket::INET", "-e",
		"$| = 1; $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1:"+rescuePort+"', Listen => 1) or die $!; print 'x'; sleep 1000")
	stdout, err := thief.StdoutPipe()
	if err != nil {
		a.Fatal(err)
	}
	if err := thief.Start(); err != nil {
		a.Fatal(err)
	}
	defer func() {
		_ = thief.Process.Kill()
		_ = thief.Wait()
	}()
	if n, err := stdout.Read(make([]byte, 1)); n != 1 {
		a.Fatal(err)
	}
	a.mustCoderclaw("--profile", "rescue", "setup")
	unit := a.unit("rescue")
	var last control.Instance
	a.until("the second gateway is blocked", func() bool {
		last = a.instance("rescue")
		return last.State == "blocked"
	})
	if !strings.Contains(last.Reason, "port "+rescuePort+" held by pid ") || !strings.Contains(last.Reason, "perl") {
		a.Errorf("the reason: %s", last.Reason)
	}
	a.must("systemctl", "disable", "--now", unit)
}
