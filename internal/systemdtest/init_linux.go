package systemdtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	user   = "claw"
	uid    = 61234 // of the ordinary user; not one that Debian gives out to people or packages
	home   = "/home/claw"
	tmpDir = home + "/t"             // of its tests: what lies in /tmp is not taken for something that stays
	binary = "/opt/systemdtest/test" // where the test binary lies inside
	runDir = "/run/user/61234"
)

// enter makes the cgroup that this process is in the root of its cgroup
// namespace. A namespace belongs to a thread, so the next stage is a new image.
func enter() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("cgroup namespace: %w", err)
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, stageVar+"=") })
	return syscall.Exec("/proc/self/exe", os.Args, append(env, stageVar+"="+stageInit))
}

// boot is PID 1: it builds the root, starts the manager and the test, and
// returns the exit code of the test. What still runs dies with PID 1.
func boot() (int, error) {
	if err := buildRoot(os.Getenv(rootVar)); err != nil {
		return 0, err
	}
	if err := addUser(); err != nil {
		return 0, err
	}
	if err := loopbackUp(); err != nil {
		return 0, err
	}
	if os.Getenv(machineVar) != "" {
		return 0, bootMachine() // returns only when it fails
	}
	if err := startManager(); err != nil {
		return 0, err
	}
	test, err := start(process{
		argv: append([]string{binary}, os.Args[1:]...), dir: home, uid: uid, cgroup: "/sys/fs/cgroup/test",
		env: append(userEnv(), stageVar+"="+stageInside, "CI="+os.Getenv("CI")), output: os.Stdout,
	})
	if err != nil {
		return 0, err
	}
	return reapUntil(test)
}

// reapUntil collects every child until the one called pid ends.
func reapUntil(pid int) (int, error) {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for the test: %w", err)
		case got == pid && status.Exited():
			return status.ExitStatus(), nil
		case got == pid:
			return 128 + int(status.Signal()), nil
		}
	}
}

// step is one thing that must be done to build the root, with a name for errors.
type step struct {
	what string
	do   func() error
}

func run(steps []step) error {
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

// buildRoot pivots into an overlay of the host's root that writes to memory.
func buildRoot(staging string) error {
	root := filepath.Join(staging, "root")
	mount := func(source, target, fstype string, flags uintptr, data string) step {
		return step{"mount " + target, func() error {
			if err := os.MkdirAll(target, 0o755); err != nil {
				return err
			}
			return unix.Mount(source, target, fstype, flags, data)
		}}
	}
	const noExec = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	self, err := os.Executable()
	if err != nil {
		return err
	}
	inRoot := func(path string) string { return filepath.Join(root, path) }
	return run([]step{
		{"private mounts", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		mount("tmpfs", staging, "tmpfs", 0, "mode=755"),
		{"overlay dirs", func() error {
			for _, d := range []string{"upper", "work", "root"} {
				if err := os.Mkdir(filepath.Join(staging, d), 0o755); err != nil {
					return err
				}
			}
			return nil
		}},
		{"overlay", func() error {
			return unix.Mount("overlay", root, "overlay", 0, fmt.Sprintf("lowerdir=/,upperdir=%s/upper,workdir=%s/work", staging, staging))
		}},
		mount("tmpfs", inRoot("dev"), "tmpfs", unix.MS_NOSUID, "mode=755"),
		{"devices", func() error { return bindDevices(inRoot("dev")) }},
		{"test binary", func() error { return bindFile(self, inRoot(binary)) }},
		{"pivot", func() error { return pivot(root) }},
		mount("proc", "/proc", "proc", noExec, ""),
		mount("sysfs", "/sys", "sysfs", noExec|unix.MS_RDONLY, ""),
		mount("cgroup2", "/sys/fs/cgroup", "cgroup2", noExec, ""),
		mount("tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"),
		mount("tmpfs", "/var/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"),
		mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"),
		mount("tmpfs", "/root", "tmpfs", 0, "mode=700"),
		mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"),
		mount("tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"),
		{"shared mounts", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") }},
		{"bare machine", bareMachine},
	})
}

func bindFile(source, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(target, nil, 0o755); err != nil {
		return err
	}
	return unix.Mount(source, target, "", unix.MS_BIND, "")
}

func bindDevices(dev string) error {
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := bindFile("/dev/"+name, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{"fd": "/proc/self/fd", "ptmx": "pts/ptmx", "log": "/run/systemd/journal/dev-log",
		"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, filepath.Join(dev, link)); err != nil {
			return err
		}
	}
	return nil
}

// pivot makes root the root and lets go of the host's tree.
func pivot(root string) error {
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil { // the old root comes to lie above the new one, see pivot_root(2)
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return unix.Chdir("/")
}

// bareMachine takes the host's own units and users' units out of sight.
func bareMachine() error {
	for _, d := range []string{"/etc/systemd/user", "/etc/systemd/system", "/var/lib/systemd/linger"} {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	for _, d := range []string{"/etc/systemd/user", "/run/systemd/system", "/run/systemd/journal", "/run/log/journal", "/run/user", "/run/lock"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile("/etc/machine-id", []byte(strings.Repeat("c1a", 10)+"c1\n"), 0o444)
}

func addUser() error {
	for path, line := range map[string]string{
		"/etc/passwd": fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", user, uid, uid, home),
		"/etc/group":  fmt.Sprintf("%s:x:%d:\n", user, uid),
	} {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(line)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	for _, d := range []string{home, tmpDir, runDir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
		if err := os.Chown(d, uid, uid); err != nil {
			return err
		}
	}
	return readableJournal("/run/log/journal")
}

// readableJournal lets the user read what the journal will write below dir, which
// a real machine grants by groups and access lists.
func readableJournal(dir string) error {
	if err := os.Chown(dir, 0, uid); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755|os.ModeSetgid) // what is made in it gets its group
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return nil
}

func userEnv() []string {
	return []string{"HOME=" + home, "USER=" + user, "LOGNAME=" + user, "SHELL=/bin/sh", "LANG=C.UTF-8",
		"PATH=/usr/local/bin:/usr/bin:/bin", "TMPDIR=" + tmpDir, "XDG_RUNTIME_DIR=" + runDir,
		"DBUS_SESSION_BUS_ADDRESS=unix:path=" + runDir + "/bus"}
}

// startManager starts a journal and then `systemd --user` in the cgroup that
// logind would give it, and waits until both listen.
func startManager() error {
	journal := process{argv: []string{"/lib/systemd/systemd-journald"}, cgroup: "/sys/fs/cgroup/init.scope"}
	if _, err := start(journal); err != nil {
		return err
	}
	if err := waitFor("/run/systemd/journal/stdout"); err != nil {
		return err
	}
	cg := fmt.Sprintf("/sys/fs/cgroup/user.slice/user-%d.slice/user@%d.service", uid, uid)
	if err := os.MkdirAll(cg, 0o755); err != nil {
		return err
	}
	for _, f := range []string{"", "/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control"} {
		if err := os.Chown(cg+f, uid, uid); err != nil {
			return err
		}
	}
	manager := process{argv: []string{"/lib/systemd/systemd", "--user", "--log-target=journal"}, uid: uid, env: userEnv(), cgroup: cg, dir: home}
	if _, err := start(manager); err != nil {
		return err
	}
	if err := waitFor(runDir + "/systemd/private"); err != nil {
		return err
	}
	return waitFor(runDir + "/bus") // which dbus.socket makes a little later
}

// process is one program of the sandbox. Output nil means /dev/null.
type process struct {
	argv   []string
	env    []string
	dir    string
	uid    uint32
	cgroup string // made when it does not exist
	output *os.File
	extra  []*os.File // from fd 3 on
}

func start(p process) (int, error) {
	if err := os.MkdirAll(p.cgroup, 0o755); err != nil {
		return 0, err
	}
	cg, err := os.Open(p.cgroup)
	if err != nil {
		return 0, err
	}
	defer cg.Close()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	if p.output == nil {
		p.output = null
	}
	attr := &os.ProcAttr{Dir: p.dir, Env: p.env, Files: append([]*os.File{null, p.output, p.output}, p.extra...),
		Sys: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(cg.Fd()), Setsid: true,
			Credential: &syscall.Credential{Uid: p.uid, Gid: p.uid}}}
	proc, err := os.StartProcess(p.argv[0], p.argv, attr)
	if err != nil {
		return 0, err
	}
	pid := proc.Pid // Release forgets it
	return pid, proc.Release()
}

// waitFor waits until the socket exists.
func waitFor(path string) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-limit.C:
			return fmt.Errorf("%s did not appear within %s", path, patience)
		case <-tick.C:
		}
	}
}
