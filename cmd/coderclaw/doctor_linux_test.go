package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// TestDoctorBesideSystemd mends, breaks off, puts back and takes over beside a real manager.
func TestDoctorBesideSystemd(t *testing.T) {
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
	h.must("coderclaw", "gateway", "install")
	h.healthy()
	t.Run("take over and give back", h.takeOver)
	t.Run("killed anywhere", h.killedDoctor)
	t.Run("beside an editor", h.beside)
	t.Run("worse is put back", h.worse)
}

const ownUnit = "coderclaw-gateway.service"

// shown are the properties of a unit as systemd has them.
func (h host) shown(unit, properties string) string {
	h.Helper()
	return strings.TrimSpace(h.must("systemctl", "--user", "show", "-p", properties, "--value", unit))
}

// takeOver puts our service in the place of one of the Node product, and back.
func (h host) takeOver(t *testing.T) {
	h.T = t
	const unit = "coderclaw-gateway-dev.service"
	path := filepath.Join(h.units, unit)
	node := []byte("# the Node product's\n[Service]\nExecStart=/bin/sleep 1000\nEnvironment=CODERCLAW_SERVICE_MARKER=coderclaw\n[Install]\nWantedBy=default.target\n")
	if err := os.WriteFile(path, node, 0o644); err != nil {
		t.Fatal(err)
	}
	h.must("systemctl", "--user", "enable", "--now", unit)
	other := h.pid("default")
	if out, code := h.run("coderclaw", "--dev", "gateway", "install"); code != 1 || !strings.Contains(out, "Node product") {
		t.Errorf("without force: exit %d\n%s", code, out)
	}
	h.must("coderclaw", "--dev", "gateway", "install", "--force")
	h.healthy("--dev")
	out := h.must("coderclaw", "--dev", "doctor", "undo")
	text, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err := errors.Join(err, statErr); err != nil || !bytes.Equal(text, node) || info.Mode().Perm() != 0o644 {
		t.Errorf("given back: %v, %v\n%s\n%s", err, info.Mode(), text, out)
	}
	if got := h.shown(unit, "ActiveState,UnitFileState,NeedDaemonReload"); got != "active\nenabled\nno" && got != "active\nno\nenabled" {
		t.Errorf("given back: %q\n%s", got, out)
	}
	h.until("sleep runs", func() bool { // for a moment it is still systemd
		exe, err := os.Readlink("/proc/" + h.shown(unit, "MainPID") + "/exe")
		return err == nil && (strings.Contains(filepath.Base(exe), "sleep") || strings.Contains(exe, "coreutils"))
	})
	h.must("systemctl", "--user", "disable", "--now", unit)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	h.must("systemctl", "--user", "daemon-reload")
	if now := h.pid("default"); now != other {
		t.Errorf("the other gateway's pid went from %d to %d", other, now)
	}
}

// spoil breaks the own unit and the modes, with an edit of the person's own in the unit.
func (h host) spoil() {
	h.Helper()
	unit := filepath.Join(h.units, ownUnit)
	text, err := os.ReadFile(unit)
	if err != nil {
		h.Fatal(err)
	}
	next := strings.Replace(string(text), "KillMode=mixed\n", "KillMode=process\n", 1)
	next = strings.Replace(next, "Restart=on-failure\n", "# mine\nRestart=no\n", 1)
	if next == string(text) {
		h.Fatalf("the unit is not as it should be:\n%s", text)
	}
	config := filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(h.units))), ".coderclaw", "coderclaw.json")
	if err := errors.Join(os.WriteFile(unit, []byte(next), 0o600), os.Chmod(config, 0o644)); err != nil {
		h.Fatal(err)
	}
	h.must("systemctl", "--user", "daemon-reload")
}

// killedDoctor kills a repair once its journal has so many lines, for as many as it
// can have, and the next one ends what it began.
func (h host) killedDoctor(t *testing.T) {
	h.T = t
	journals := filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(h.units))), ".coderclaw", "doctor", "journal")
	interrupted := 0
	for lines := 0; lines < 7; lines++ {
		h.spoil()
		before, _ := filepath.Glob(filepath.Join(journals, "2*"))
		cmd := exec.CommandContext(t.Context(), "coderclaw", "doctor", "--repair")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		done := false
		h.until(fmt.Sprintf("a journal with %d lines", lines), func() bool {
			select {
			case <-ended:
				done = true
				return true
			default:
			}
			now, _ := filepath.Glob(filepath.Join(journals, "2*"))
			if len(now) == 0 || len(before) > 0 && now[len(now)-1] == before[len(before)-1] {
				return false
			}
			log, err := os.ReadFile(filepath.Join(now[len(now)-1], "log"))
			return err == nil && bytes.Count(log, []byte("\n")) >= lines
		})
		if !done {
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			<-ended
		}
		text, err := os.ReadFile(filepath.Join(h.units, ownUnit))
		if err != nil || !bytes.HasSuffix(text, []byte("WantedBy=default.target\n")) || !bytes.Contains(text, []byte("# mine\n")) {
			t.Errorf("killed at %d lines, the unit is torn: %v\n%s", lines, err, text)
		}
		out, code := h.run("coderclaw", "doctor", "--repair")
		if code != 0 {
			t.Errorf("killed at %d lines, then exit %d:\n%s", lines, code, out)
		}
		if strings.Contains(out, "interrupted") {
			interrupted++
		}
		h.healthy()
		if left, _ := filepath.Glob(filepath.Join(h.units, ".*tmp")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
	if interrupted == 0 {
		t.Error("no repair was interrupted")
	}
}

// editor is a person's editor: it adds lines to a file, by turns in place and by a
// new file that takes its name.
const editor = `i=0
while [ $i -lt 60 ]; do
	sleep 0.02
	i=$((i+1))
	if [ $((i % 2)) = 0 ]; then echo "# edit $i" >> "$1"; else cp "$1" "$1.swp" && echo "# edit $i" >> "$1.swp" && mv "$1.swp" "$1"; fi
	case $((i % 3)) in 0) sed -i s/^KillMode=.*/KillMode=process/ "$1";; esac
done`

// beside repairs and installs over and over, at the same time, while somebody edits
// the unit: no edit is lost.
func (h host) beside(t *testing.T) {
	h.T = t
	unit := filepath.Join(h.units, ownUnit)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", editor, "editor", unit)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var kept string
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = exec.CommandContext(t.Context(), "coderclaw", "gateway", "install").Run() // it may give way too
			}
		}
	}()
	for editing := true; editing; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			editing = false
		default:
		}
		out, _ := h.run("coderclaw", "doctor", "--repair", "--json") // it may give way to the editor
		var report doctorReport
		if i := strings.Index(out, "{\n"); i >= 0 && json.Unmarshal([]byte(out[i:]), &report) == nil {
			for _, o := range report.Outcomes {
				for _, path := range o.Kept {
					text, err := os.ReadFile(path)
					if err != nil {
						t.Error(err)
					}
					kept += string(text)
				}
			}
		}
	}
	close(stop)
	<-stopped
	if out, code := h.run("coderclaw", "doctor", "--repair"); code != 0 {
		t.Errorf("exit %d\n%s", code, out)
	}
	byInstall, _ := filepath.Glob(unit + ".*.kept")
	for _, path := range byInstall {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		kept += string(text)
	}
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 60; i++ {
		line := fmt.Sprintf("# edit %d\n", i)
		if !strings.Contains(string(text), line) && !strings.Contains(kept, line) {
			t.Errorf("lost: %s", line)
		}
	}
	h.healthy()
}

// worse lets the service run with another registry than its own, in which its port
// is taken: what the repair wants does not work, and is taken back.
func (h host) worse(t *testing.T) {
	h.T = t
	other := filepath.Join(t.TempDir(), "other.toml")
	if err := os.WriteFile(other, []byte("[profiles.default]\nport = 21000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.must("env", "CODERCLAW_REGISTRY="+other, "coderclaw", "gateway", "install")
	l, err := net.Listen("tcp", "127.0.0.1:18789")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	unit := filepath.Join(h.units, ownUnit)
	before, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	out, code := h.run("coderclaw", "doctor", "--repair", "--json")
	var report doctorReport
	if i := strings.Index(out, "{\n"); i < 0 || json.Unmarshal([]byte(out[i:]), &report) != nil || code != 1 {
		t.Fatalf("exit %d\n%s", code, out)
	}
	if n := len(report.Outcomes); n != 1 || report.Outcomes[0].Result != doctor.RolledBack || !strings.Contains(report.Outcomes[0].Why, "healthy before") {
		t.Errorf("outcomes: %+v\n%s", report.Outcomes, out)
	}
	if after, err := os.ReadFile(unit); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the unit: %v\n%s", err, after)
	}
	h.must("env", "CODERCLAW_REGISTRY="+other, "coderclaw", "gateway", "status", "--require-rpc")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	h.must("coderclaw", "doctor", "--repair")
	h.healthy()
}
