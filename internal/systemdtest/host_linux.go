package systemdtest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stageVar tells a re-executed test binary which part of the sandbox it is.
const stageVar = "SYSTEMDTEST_STAGE"

const (
	stageEnter  = "enter"  // in the new namespaces, about to enter the cgroup namespace
	stageInit   = "init"   // PID 1 of the sandbox
	stageInside = "inside" // the test itself, as user claw, or as root beside a manager of the machine
	stageRunner = "runner" // starts the test beside a manager of the machine
)

// machineVar is set for a sandbox whose manager is that of a whole machine.
const machineVar = "SYSTEMDTEST_MACHINE"

// rootVar names the directory on which PID 1 builds its root.
const rootVar = "SYSTEMDTEST_ROOT"

// Main runs the tests of m, or plays the part of the sandbox that this process
// was started for. Use it as: os.Exit(systemdtest.Main(m)).
func Main(m interface{ Run() int }) int {
	switch os.Getenv(stageVar) {
	case stageEnter:
		return fatal(enter())
	case stageRunner:
		return fatal(runOnMachine())
	case stageInit:
		code, err := boot()
		if err != nil {
			return fatal(err)
		}
		return code
	}
	return m.Run()
}

func fatal(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "systemdtest: %v\n", err)
	return 125
}

// Inside tells whether the test runs beside its manager. When it does not, the
// test has been run there by the time Inside returns, and its outcome reported;
// the caller then returns at once:
//
//	if !systemdtest.Inside(t) {
//		return
//	}
func Inside(t *testing.T) bool {
	t.Helper()
	return inside(t, false)
}

// InsideMachine is Inside for tests of the manager of a machine: they run as root
// on one that systemd has booted to multi-user.target, with a system bus and
// logind. The ordinary user exists, has no session, and may log in or linger.
func InsideMachine(t *testing.T) bool {
	t.Helper()
	return inside(t, true)
}

func inside(t *testing.T, machine bool) bool {
	t.Helper()
	if os.Getenv(stageVar) == stageInside {
		return true
	}
	if why := missing(machine); why != "" {
		if os.Getenv("CI") != "" {
			t.Fatalf("no sandbox for systemd: %s", why)
		}
		t.Skipf("no sandbox for systemd: %s", why)
	}
	cg, err := newCgroup()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cg.remove(); err != nil {
			t.Error(err)
		}
	})
	out, err := runInside(t, cg, machine)
	t.Logf("inside the sandbox:\n%s", bytes.TrimSpace(out))
	if err != nil {
		t.Fatalf("the sandboxed run failed: %v", err)
	}
	if !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("the sandboxed run did not pass %s", t.Name())
	}
	return false
}

// missing names the first thing that the sandbox needs and this machine lacks.
func missing(machine bool) string {
	if os.Geteuid() != 0 {
		return "it takes root to make namespaces, mounts and cgroups"
	}
	files := []string{"/lib/systemd/systemd", "/lib/systemd/systemd-journald", "/usr/bin/systemctl",
		"/usr/bin/dbus-daemon", "/usr/lib/systemd/user/dbus.socket"}
	if machine {
		files = append(files, "/lib/*/security/pam_systemd.so")
	}
	for _, f := range files {
		if found, err := filepath.Glob(f); err != nil || len(found) == 0 {
			return f + " is missing; install the packages systemd, dbus, dbus-user-session and libpam-systemd"
		}
	}
	if _, err := cgroupMount(); err != nil {
		return err.Error()
	}
	return ""
}

// runInside runs the calling test again in new namespaces and returns its output.
func runInside(t *testing.T, cg cgroup, machine bool) ([]byte, error) {
	dir, err := os.Open(cg.root())
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	deadline, ok := t.Deadline()
	if !ok {
		deadline = time.Now().Add(10 * time.Minute)
	}
	ctx, cancel := context.WithDeadline(t.Context(), deadline.Add(-time.Second))
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// -test.count=1 and no other flag of the outer run: those name files that are not visible inside.
	cmd := exec.CommandContext(ctx, self, "-test.run=^"+t.Name()+"$"+subtests(flag.Lookup("test.run").Value.String()), "-test.v", "-test.count=1")
	cmd.Env = []string{stageVar + "=" + stageEnter, rootVar + "=" + t.TempDir(), "CI=" + os.Getenv("CI"),
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET,
		UseCgroupFD: true,
		CgroupFD:    int(dir.Fd()),
		Setsid:      true,
		Pdeathsig:   syscall.SIGKILL,
	}
	cmd.WaitDelay = patience
	runtime.LockOSThread() // Pdeathsig fires when the thread ends that forked
	defer runtime.UnlockOSThread()
	if machine {
		return runMachine(cmd)
	}
	return cmd.CombinedOutput()
}

// subtests is the part of a -test.run that chooses among the subtests of one test.
func subtests(pattern string) string {
	test, rest, ok := strings.Cut(pattern, "/")
	if !ok || strings.Contains(test, "|") {
		return ""
	}
	return "/" + rest
}

// cgroup is a subtree of the host's cgroup v2 tree that holds one sandbox.
type cgroup string

func (c cgroup) root() string { return filepath.Join(string(c), "root") }

// cgroupMount is where the host has its cgroup v2 tree mounted.
func cgroupMount() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		// mountinfo(5): fields before " - " are positional, the fifth is the mount point; after it comes the type.
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 && !slices.Contains(strings.Split(fields[5], ","), "ro") {
			return fields[4], nil
		}
	}
	return "", errors.New("no writable cgroup v2 tree is mounted")
}

func newCgroup() (cgroup, error) {
	mount, err := cgroupMount()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(mount, "systemdtest.")
	if err != nil {
		return "", err
	}
	c := cgroup(dir)
	if err := os.Mkdir(c.root(), 0o755); err != nil {
		return "", errors.Join(err, c.remove())
	}
	return c, nil
}

// patience is how long the kernel and systemd may take for what they do in less than
// a second on a machine that is idle.
const patience = time.Minute

// remove kills what is left in the subtree and removes it, the leaves first.
func (c cgroup) remove() error {
	if err := os.WriteFile(filepath.Join(string(c), "cgroup.kill"), []byte("1"), 0); err != nil {
		return err
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond) // rmdir is refused until the kernel has let go of the dead
	defer tick.Stop()
	for {
		var dirs []string
		err := filepath.WalkDir(string(c), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		if err != nil || len(dirs) == 0 {
			return err
		}
		slices.Reverse(dirs)
		for _, d := range dirs {
			err = unix.Rmdir(d)
		}
		if err == nil {
			return nil
		}
		select {
		case <-limit.C:
			return fmt.Errorf("cgroup %s cannot be removed: %w", c, err)
		case <-tick.C:
		}
	}
}
