package main

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const (
	installed   = "/usr/local/bin/coderclaw"
	machineUnit = "coderclaw-gateway.service"
	machineFile = "/etc/systemd/system/" + machineUnit
	clawHome    = "/home/claw"
)

// box is a machine with an ordinary user called claw.
type box struct {
	host
	uid int
}

// newBox puts the program where every user can run it.
func newBox(t *testing.T) box {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	place(t, exe, installed)
	b := box{host: host{T: t, units: filepath.Join(clawHome, ".config/systemd/user")}}
	b.uid, err = strconv.Atoi(strings.TrimSpace(b.must("id", "-u", "claw")))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b box) in(t *testing.T) box { b.T = t; return b }

// sudo runs coderclaw as root, called by claw.
func (b box) sudo(args ...string) (string, int) {
	b.Helper()
	return b.run("env", slices.Concat(b.rootEnv(), []string{"SUDO_USER=claw", "SUDO_UID=" + strconv.Itoa(b.uid), installed}, args)...)
}

// root runs coderclaw as root who has logged in as such.
func (b box) root(args ...string) (string, int) {
	b.Helper()
	return b.run("env", slices.Concat(b.rootEnv(), []string{installed}, args)...)
}

func (b box) rootEnv() []string {
	return []string{"-i", "HOME=/root", "USER=root", "PATH=/usr/local/bin:/usr/bin:/bin", noRace, "GOCOVERDIR=" + os.Getenv("GOCOVERDIR")}
}

// claw runs coderclaw as claw.
func (b box) claw(args ...string) (string, int) {
	b.Helper()
	return b.run("runuser", slices.Concat([]string{"-u", "claw", "--", "env", "-i", "HOME=" + clawHome, "USER=claw",
		"PATH=/usr/local/bin:/usr/bin:/bin", noRace, installed}, args)...)
}

const noRace = "GORACE=" + noRaceWait

// well fails the test unless a command went well.
func (b box) well(out string, code int) string {
	b.Helper()
	if code != 0 {
		b.Fatalf("exit %d\n%s", code, out)
	}
	return out
}

// refused fails the test unless a command was refused for a reason in these words.
func (b box) refused(out string, code, want int, words ...string) {
	b.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			b.Errorf("the refusal lacks %q:\n%s", w, out)
		}
	}
	if code != want {
		b.Errorf("exit %d, want %d\n%s", code, want, out)
	}
}

func (b box) show(props string) string {
	b.Helper()
	return b.must("systemctl", "show", "-p", props, machineUnit)
}

// traces are what is left of the service on disk and in the manager.
func (b box) traces() []string {
	b.Helper()
	var out []string
	for _, dir := range []string{"/etc/systemd", "/run/systemd/system", "/run/systemd/transient"} {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
			if strings.Contains(filepath.Base(path), "coderclaw") {
				out = append(out, path)
			}
			return nil
		})
	}
	for line := range strings.Lines(b.must("systemctl", "list-units", "--all", "--no-legend", "--plain", "coderclaw*")) {
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

// strangers are files below dir that belong to another user.
func strangers(dir string, uid int) []string {
	var out []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			out = append(out, path+": "+err.Error())
			return nil
		}
		if info, err := d.Info(); err == nil && int(info.Sys().(*syscall.Stat_t).Uid) != uid {
			out = append(out, path)
		}
		return nil
	})
	return out
}

func stamp(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime().String()
}

// owners: everything in claw's home is claw's, and nothing was made in root's.
func (b box) owners() {
	b.Helper()
	if alien := strangers(clawHome, b.uid); len(alien) > 0 {
		b.Errorf("not of claw: %q", alien)
	}
	for _, name := range []string{".coderclaw", ".config/coderclaw"} {
		path := filepath.Join(homeOfRoot(b.T), name)
		if _, err := os.Lstat(path); err == nil {
			b.Errorf("%s was made", path)
		}
	}
}

// gateway is the pid of claw's default gateway.
func (b box) gateway() int {
	b.Helper()
	out := b.well(b.claw("gateway", "status", "--json"))
	_, rest, _ := strings.Cut(out, `"instance": {`)
	_, rest, _ = strings.Cut(rest, `"pid": `)
	digits, _, _ := strings.Cut(rest, ",")
	pid, err := strconv.Atoi(digits)
	if err != nil {
		b.Fatalf("%v in\n%s", err, out)
	}
	return pid
}

// homeOfRoot is where the files of root would lie.
func homeOfRoot(t *testing.T) string {
	t.Helper()
	root, err := user.LookupId("0")
	if err != nil {
		t.Fatal(err)
	}
	return root.HomeDir
}
