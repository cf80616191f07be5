package main

import (
	"context"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// TestServicesTransaction breaks installations off beside a real manager.
func TestServicesTransaction(t *testing.T) {
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
	x := transaction{h, filepath.Join(home, ".coderclaw", slowFile), filepath.Join(h.units, "coderclaw-gateway.service")}
	for _, part := range []struct {
		name string
		do   func(transaction)
	}{
		{"a start that fails", transaction.badStart},
		{"a process that is no supervisor", transaction.stranger},
		{"a port that is held", transaction.blocked},
		{"interrupted", transaction.interrupted},
		{"interrupted while it replaces", transaction.interruptedReplacing},
		{"killed", transaction.killed},
		{"an older program", transaction.renewed},
		{"a gateway that was stopped", transaction.stopped},
		{"another port", transaction.moved},
	} {
		t.Run(part.name, func(t *testing.T) {
			x.T = t
			part.do(x)
			if err := os.RemoveAll(x.unit + ".d"); err != nil {
				t.Error(err)
			}
			x.must("coderclaw", "gateway", "uninstall")
			if left := x.traces(); len(left) > 0 {
				t.Errorf("uninstall leaves %v", left)
			}
		})
	}
}

// transaction is a host on which installations of the default profile break.
type transaction struct {
	host
	slow string // while this file exists, no gateway gets ready
	unit string
}

// traces are the files of the service, with mode and content, and what the manager knows of it.
func (x transaction) traces() map[string]string {
	x.Helper()
	out := map[string]string{}
	_ = filepath.WalkDir(x.units, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		text, _ := os.ReadFile(path)
		out[path] = info.Mode().String() + " " + string(text)
		return nil
	})
	if known := x.must("systemctl", "--user", "list-units", "--all", "--plain", "--no-legend", "coderclaw*"); known != "" {
		out["manager"] = x.must("systemctl", "--user", "show", "-p", "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload", filepath.Base(x.unit))
	}
	return out
}

// same fails the test unless the service is as it was.
func (x transaction) same(before map[string]string) {
	x.Helper()
	if d := cmp.Diff(before, x.traces()); d != "" {
		x.Errorf("(-before +after):\n%s", d)
	}
}

func (x transaction) dropIn(text string) {
	x.Helper()
	if err := os.MkdirAll(x.unit+".d", 0o700); err != nil {
		x.Fatal(err)
	}
	path := filepath.Join(x.unit+".d", "mine.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		x.Fatal(err)
	}
}

func (x transaction) badStart() {
	x.dropIn("[Service]\nExecStart=\nExecStart=/bin/false\n")
	before := x.traces()
	out, code := x.run("coderclaw", "gateway", "install")
	if code != 1 || !strings.Contains(out, "everything is as it was") {
		x.Errorf("exit %d\n%s", code, out)
	}
	x.same(before)
}

func (x transaction) stranger() {
	x.dropIn("[Service]\nType=exec\nExecStart=\nExecStart=/bin/sleep 1000\n")
	before := x.traces()
	out, code := x.run("coderclaw", "gateway", "install")
	if code != 1 || !strings.Contains(out, "waited 10s in vain: the service runs as pid ") || !strings.Contains(out, "but it does not hold profile default") ||
		!strings.Contains(out, "everything is as it was") {
		x.Errorf("exit %d\n%s", code, out)
	}
	x.same(before)
}

// blocked: that somebody holds the port is no fault of the service, which stays and waits.
func (x transaction) blocked() {
	l, err := new(net.ListenConfig).Listen(x.Context(), "tcp", "127.0.0.1:18789")
	if err != nil {
		x.Fatal(err)
	}
	defer l.Close()
	out, code := x.run("coderclaw", "gateway", "install")
	if code != 1 || !strings.Contains(out, "Installed systemd service: "+x.unit) ||
		!strings.Contains(out, "the service is installed and its supervisor runs, but the gateway is blocked: port 18789 held by") {
		x.Errorf("exit %d\n%s", code, out)
	}
	if got := x.must("systemctl", "--user", "is-active", filepath.Base(x.unit)); got != "active\n" {
		x.Errorf("the unit is %s", got)
	}
	if err := l.Close(); err != nil {
		x.Fatal(err)
	}
	x.until("the gateway is ready", x.answers)
	x.healthy()
}

// begin starts an installation whose gateway is slow, and returns it when the unit is up.
func (x transaction) begin() *exec.Cmd {
	x.Helper()
	if err := os.MkdirAll(filepath.Dir(x.slow), 0o700); err != nil {
		x.Fatal(err)
	}
	if err := os.WriteFile(x.slow, nil, 0o600); err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() { _ = os.Remove(x.slow) })
	before := x.mainPID()
	cmd := exec.CommandContext(x.Context(), "coderclaw", "gateway", "install")
	cmd.WaitDelay = 10 * time.Second
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() { x.Logf("install said:\n%s", said.String()) })
	x.until("the unit runs", func() bool {
		pid := x.mainPID()
		return pid != "0" && pid != before && x.must("systemctl", "--user", "show", "-p", "SubState", filepath.Base(x.unit)) == "SubState=running\n"
	})
	return cmd
}

func (x transaction) mainPID() string {
	x.Helper()
	return strings.TrimSpace(strings.TrimPrefix(x.must("systemctl", "--user", "show", "-p", "MainPID", filepath.Base(x.unit)), "MainPID="))
}

func (x transaction) interrupted() {
	before := x.traces()
	cmd := x.begin()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		x.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		x.Errorf("the installation ended with %v", err)
	}
	x.same(before)
}

func (x transaction) interruptedReplacing() {
	x.must("coderclaw", "gateway", "install")
	text, err := os.ReadFile(x.unit)
	if err != nil {
		x.Fatal(err)
	}
	edited := strings.Replace(string(text), "Restart=on-failure", "Restart=always", 1) + "# a remark\n"
	if err := os.WriteFile(x.unit, []byte(edited), 0o640); err != nil {
		x.Fatal(err)
	}
	x.must("systemctl", "--user", "daemon-reload")
	before := x.traces()
	cmd := x.begin()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		x.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		x.Error("the installation went well")
	}
	x.same(before)
	if err := os.Remove(x.slow); err != nil {
		x.Fatal(err)
	}
	x.until("the old service is ready", x.answers)
}

// killed: whenever an installation is killed, the next one makes everything right.
func (x transaction) killed() {
	x.must("coderclaw", "gateway", "install")
	x.must("coderclaw", "gateway", "uninstall")
	for n := range 8 {
		ctx, cancel := context.WithCancel(x.Context())
		cmd := exec.CommandContext(ctx, "coderclaw", "gateway", "install")
		if err := cmd.Start(); err != nil {
			x.Fatal(err)
		}
		// Each round kills a little later, by what can be seen: nothing, the file, the link, the process.
		seen := []func() bool{
			func() bool { return true },
			func() bool { return there(x.unit) },
			func() bool { return there(filepath.Join(x.units, "default.target.wants", filepath.Base(x.unit))) },
			func() bool { return x.mainPID() != "0" },
		}[n%4]
		for !seen() && syscall.Kill(cmd.Process.Pid, 0) == nil {
			if proc, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/stat"); err == nil && strings.Contains(string(proc), ") Z ") {
				break
			}
		}
		cancel()
		_ = cmd.Wait()
		if text, err := os.ReadFile(x.unit); err == nil && !strings.HasSuffix(string(text), "WantedBy=default.target\n") {
			x.Errorf("round %d: a torn file:\n%s", n, text)
		}
		if n%2 == 1 && there(x.unit) { // what is half installed is doctor's business as well
			if out, code := x.run("coderclaw", "doctor", "--repair", "--non-interactive"); code != 0 {
				x.Errorf("round %d: doctor: exit %d\n%s", n, code, out)
			}
			x.until("the gateway is ready", x.answers) // a start that is under way is nothing to mend
			x.healthy()
		}
		x.must("coderclaw", "gateway", "install")
		x.healthy()
		files := x.traces()
		maps.DeleteFunc(files, func(path, _ string) bool {
			return path == "manager" || path == x.unit || filepath.Base(filepath.Dir(path)) == "default.target.wants"
		})
		if len(files) > 0 {
			x.Errorf("round %d: besides the service there are %v", n, files)
		}
		x.must("coderclaw", "gateway", "uninstall")
	}
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// renewed: an installation over a service that runs an older file of the program
// replaces what runs, without restarting the unit.
func (x transaction) renewed() {
	x.must("coderclaw", "gateway", "install")
	unit, gateway := x.mainPID(), x.pid("default")
	file, err := exec.LookPath("coderclaw")
	if err != nil {
		x.Fatal(err)
	}
	place(x.T, file, file)
	if out := x.must("coderclaw", "gateway", "install"); !strings.Contains(out, "Renewed systemd service: "+x.unit) {
		x.Errorf("install says:\n%s", out)
	}
	if now := x.pid("default"); now == gateway || x.mainPID() != unit {
		x.Errorf("the gateway went from %d to %d, the unit from %s to %s", gateway, now, unit, x.mainPID())
	}
	for _, pid := range []string{unit, strconv.Itoa(x.pid("default"))} {
		if exe, err := os.Readlink("/proc/" + pid + "/exe"); err != nil || exe != file {
			x.Errorf("pid %s runs %s, %v", pid, exe, err)
		}
	}
	x.healthy()
}

// stopped: an installation starts a gateway that its supervisor was asked to stop.
func (x transaction) stopped() {
	x.must("coderclaw", "gateway", "install")
	x.must("coderclaw", "supervisor", "stop", "default")
	x.must("coderclaw", "gateway", "install")
	x.healthy()
}

// moved: an installation brings a gateway to the port that its config names now.
func (x transaction) moved() {
	x.must("coderclaw", "gateway", "install")
	config := filepath.Join(filepath.Dir(x.slow), "coderclaw.json")
	text, err := os.ReadFile(config)
	if err != nil {
		x.Fatal(err)
	}
	moved := strings.Replace(string(text), `"gateway": {`, `"gateway": {"port": 18795, `, 1)
	if moved == string(text) {
		x.Fatalf("no place for a port in\n%s", text)
	}
	if err := os.WriteFile(config, []byte(moved), 0o600); err != nil {
		x.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile(config, text, 0o600); err != nil {
			x.Error(err)
		}
	}()
	x.must("coderclaw", "gateway", "install")
	if out := x.must("coderclaw", "gateway", "status", "--require-rpc"); !strings.Contains(out, "ready on ws://127.0.0.1:18795") {
		x.Errorf("status says:\n%s", out)
	}
}
