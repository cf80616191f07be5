package cgroup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// roleVar is set in the process that runs a test again in a group of its own.
const roleVar = "CGROUP_TEST_ROLE"

func TestMain(m *testing.M) { os.Exit(systemdtest.Main(m)) }

// scratch is a new group below the one that this test is in.
func scratch(t *testing.T) string {
	t.Helper()
	why := ""
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	own, err := parseOwn(string(text))
	if err != nil {
		t.Fatal(err)
	}
	m, rel, err := locate(own, parseMounts(string(mounts)))
	switch {
	case os.Getuid() != 0:
		why = "it takes root to make a control group here"
	case err != nil:
		why = err.Error()
	}
	if why != "" {
		if os.Getenv("CI") != "" && os.Getuid() == 0 {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	dir, err := os.MkdirTemp(filepath.Join(m.point, rel), "cgrouptest.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := (&Leaf{dir: dir}).End(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// again runs the calling test once more, in the group dir and with a role.
func again(t *testing.T, dir, role string) {
	t.Helper()
	f, err := (&Leaf{dir: dir}).FD()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(f.Fd())}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("as %s: %v\n%s", role, err, out)
	}
}

// TestAsRoot lives in a group that the machine marks as handed over, and then not.
func TestAsRoot(t *testing.T) {
	t.Parallel()
	switch os.Getenv(roleVar) {
	case "delegated":
		delegated(t, nil)
		return
	case "undelegated":
		undelegated(t, nil)
		return
	}
	dir := scratch(t)
	again(t, dir, "undelegated")
	if err := unix.Setxattr(dir, "user.delegate", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	again(t, dir, "delegated")
	again(t, dir, "delegated") // what the first one left does not disturb the second
}

// TestUserUnit lives in units of a real systemd, as an ordinary user.
func TestUserUnit(t *testing.T) {
	t.Parallel()
	switch os.Getenv(roleVar) {
	case "delegated":
		delegated(t, asked(t))
		return
	case "undelegated":
		undelegated(t, asked(t))
		return
	}
	if !systemdtest.Inside(t) {
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for role, yes := range map[string]string{"delegated": "yes", "undelegated": "no"} {
		out, err := exec.CommandContext(t.Context(), "systemd-run", "--user", "--wait", "--pipe", "--quiet", "--collect",
			"-p", "Delegate="+yes, "-E", roleVar+"="+role, self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1").CombinedOutput()
		t.Logf("%s:\n%s", role, out)
		if err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}

// asked asks the user's systemd, which shares the cgroup namespace of the test.
func asked(t *testing.T) func(string) bool {
	return func(group string) bool {
		out, err := exec.CommandContext(t.Context(), "systemctl", "--user", "show", "-p", "Delegate", "-p", "ControlGroup", filepath.Base(group)).Output()
		if err != nil {
			t.Error(err)
		}
		return bytes.Contains(out, []byte("Delegate=yes\n")) && bytes.Contains(out, []byte("ControlGroup="+group+"\n"))
	}
}

func undelegated(t *testing.T, told func(string) bool) {
	if tree, err := Detect(told); err == nil {
		t.Errorf("took %s, which was not handed over", tree.Dir())
	} else {
		t.Log(err)
	}
}

// delegated is the life of a supervisor in a group that was handed to it.
func delegated(t *testing.T, told func(string) bool) {
	tree, err := Detect(told)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := tree.Enter()
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for _, m := range missing {
		t.Logf("no %s controller: %s", m.Controller, m.Why)
	}
	if second, err := Detect(told); err != nil || second.Dir() != tree.Dir() {
		t.Errorf("from inside, Detect finds %+v, %v", second, err)
	} else if _, err := second.Enter(); err == nil || !strings.Contains(err.Error(), "another supervisor") {
		t.Errorf("a second supervisor in one tree: %v", err)
	}
	for name, kill := range map[string]func(*Leaf) error{"kill": (*Leaf).Kill, "each": (*Leaf).killEach} {
		t.Run(name, func(t *testing.T) { wholeTree(t, tree, kill) })
	}
	t.Run("limits", func(t *testing.T) { limits(t, tree, missing) })
	t.Run("reuse", func(t *testing.T) { reuse(t, tree) })
	t.Run("wait", func(t *testing.T) { wait(t, tree) })
	if left, err := tree.Leaves(); err != nil || len(left) != 0 {
		t.Errorf("leaves left: %v, %v", left, err)
	}
}

// family is a shell that starts descendants which leave its session and its
// process group, and whose parents are gone. It prints their pids.
const family = `
setsid sh -c 'setsid sh -c "echo \$\$; exec sleep 1000" & exit' &
sh -c 'echo $$; exec sleep 1000' &
wait $!
`

// startFamily starts it in the leaf and returns it and the descendants.
func startFamily(t *testing.T, l *Leaf) (*exec.Cmd, map[int]uint64) {
	t.Helper()
	f, err := l.FD()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("/bin/sh", "-c", family)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(f.Fd()), Setpgid: true}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	started := map[int]uint64{}
	lines := bufio.NewReader(r)
	for range 2 {
		var pid int
		if _, err := fmt.Fscanln(lines, &pid); err != nil {
			t.Fatal(err)
		}
		if started[pid], err = proctable.StartTime(pid); err != nil {
			t.Fatal(err)
		}
	}
	return cmd, started
}

func wholeTree(t *testing.T, tree *Tree, kill func(*Leaf) error) {
	l, err := tree.Leaf(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if full, err := l.Populated(); err != nil || full {
		t.Errorf("a new leaf is populated: %v, %v", full, err)
	}
	if err := os.Mkdir(filepath.Join(l.Dir(), "below"), 0o755); err != nil { // as a container tool in it may do
		t.Fatal(err)
	}
	cmd, started := startFamily(t, l)
	pids, err := l.Pids()
	if err != nil || len(pids) < 3 {
		t.Errorf("the leaf holds %v, %v", pids, err)
	}
	if full, err := l.Populated(); err != nil || !full {
		t.Errorf("populated: %v, %v", full, err)
	}
	if err := l.Remove(); !errors.Is(err, unix.EBUSY) {
		t.Errorf("removed while it is in use: %v", err)
	}
	if err := kill(l); err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for pid, start := range started {
		ended(t, pid, start)
	}
	for range 2 { // the second time there is nothing to do
		if err := l.End(t.Context()); err != nil {
			t.Error(err)
		}
		if err := errors.Join(l.Kill(), l.Wait(t.Context()), l.Remove()); err != nil {
			t.Errorf("a leaf that is gone: %v", err)
		}
	}
}

func limits(t *testing.T, tree *Tree, missing []Missing) {
	l, err := tree.Leaf(t.Context(), "limits")
	if err != nil {
		t.Fatal(err)
	}
	lacks := map[string]bool{}
	for _, m := range missing {
		lacks[m.Controller] = true
	}
	got, err := l.SetLimits(Limits{MemoryHigh: 64 << 20, MemoryMax: 128 << 20, PidsMax: 100})
	want := Applied{MemoryHigh: !lacks["memory"], MemoryMax: !lacks["memory"], PidsMax: !lacks["pids"]}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for what, err := range map[string]error{
		"events":  func() error { _, err := l.Events(); return err }(),
		"current": func() error { _, err := l.MemoryCurrent(); return err }(),
	} {
		if lacks["memory"] != errors.Is(err, errors.ErrUnsupported) || !lacks["memory"] && err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got, err := l.SetLimits(Limits{}); err != nil || got != (Applied{}) {
		t.Errorf("no limits: %+v, %v", got, err)
	}
	if err := l.End(t.Context()); err != nil {
		t.Error(err)
	}
}

// ended fails the test unless the process ends. The kernel takes one out of its group
// a moment before it shows it as ended.
func ended(t *testing.T, pid int, start uint64) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for lives(pid, start) {
		select {
		case <-limit.C:
			t.Errorf("pid %d lives on", pid)
			return
		case <-tick.C:
		}
	}
}

// lives tells whether the process runs. One that has ended may wait for a while until
// whoever inherited it takes note; it is in no group any more.
func lives(pid int, start uint64) bool {
	if !proctable.Alive(pid, start) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// reuse asks for a leaf that an earlier supervisor has left behind, with a family in it.
func reuse(t *testing.T, tree *Tree) {
	l, err := tree.Leaf(t.Context(), "again")
	if err != nil {
		t.Fatal(err)
	}
	cmd, started := startFamily(t, l)
	if left, err := tree.Leaves(); err != nil || len(left) != 1 || left[0].Name() != "again" {
		t.Errorf("leaves %v, %v", left, err)
	}
	if l, err = tree.Leaf(t.Context(), "again"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for pid, start := range started {
		ended(t, pid, start)
	}
	if full, err := l.Populated(); err != nil || full {
		t.Errorf("populated: %v, %v", full, err)
	}
	if err := l.End(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := tree.Leaf(t.Context(), "../x"); err == nil {
		t.Error("a name that leads out of the tree was taken")
	}
}

// wait gives up on a leaf that stays in use, and notices the end of the last process.
func wait(t *testing.T, tree *Tree) {
	l, err := tree.Leaf(t.Context(), "wait")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.FD()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("/bin/cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(f.Fd())}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := l.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Wait(t.Context()) }()
	if _, err := io.WriteString(in, "x"); err != nil {
		t.Error(err)
	}
	in.Close() // ends cat
	if err := errors.Join(cmd.Wait(), <-done, l.End(t.Context())); err != nil {
		t.Error(err)
	}
}
