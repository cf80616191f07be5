package systemdtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// verdictFD is where the sandbox tells its starter how the test ended: systemd is PID 1 and
// would not.
const verdictFD = 3

// bootTime bounds the boot of a machine, which takes a third of a second on an idle one.
const bootTime = 2 * time.Minute

// unwanted are units that make a boot slow, or that cannot work in here.
var unwanted = []string{
	"systemd-tmpfiles-setup.service", "systemd-tmpfiles-clean.service", "systemd-update-utmp.service",
	"systemd-update-utmp-runlevel.service", "systemd-remount-fs.service", "systemd-udevd.service",
	"systemd-networkd.service", "systemd-timesyncd.service", "systemd-journald-audit.socket", "systemd-initctl.socket",
	"systemd-udevd-kernel.socket", "systemd-udevd-control.socket", "getty.target", "systemd-ask-password-wall.path",
}

// runMachine starts the sandbox, waits for its verdict and ends it.
func runMachine(cmd *exec.Cmd) ([]byte, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(cmd.Env, machineVar+"=1")
	verdict, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer verdict.Close()
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, theirs.Close())
	}
	_ = theirs.Close() // theirs now
	said, readErr := io.ReadAll(verdict)
	killErr := cmd.Process.Kill() // all of the sandbox goes with its PID 1
	if errors.Is(killErr, os.ErrProcessDone) {
		killErr = nil
	}
	waitErr := cmd.Wait()
	code, err := strconv.Atoi(string(said))
	switch {
	case err != nil:
		return out.Bytes(), errors.Join(errors.New("the sandbox ended before the test did"), readErr, killErr, waitErr)
	case code != 0:
		return out.Bytes(), fmt.Errorf("exit status %d", code)
	}
	return out.Bytes(), killErr
}

// bootMachine becomes systemd. What runs the test is started before that.
func bootMachine() error {
	if err := prepareMachine(); err != nil {
		return err
	}
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	_, err := start(process{
		argv: append([]string{binary}, os.Args[1:]...), dir: "/", cgroup: "/sys/fs/cgroup/test", output: os.Stdout,
		env:   append([]string{"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh", stageVar + "=" + stageRunner, "CI=" + os.Getenv("CI")}, env...),
		extra: []*os.File{os.NewFile(verdictFD, "verdict")},
	})
	if err != nil {
		return err
	}
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for fd := range 3 {
		if err := unix.Dup2(int(null.Fd()), fd); err != nil {
			return err
		}
	}
	_ = unix.Close(verdictFD) // the runner has its own
	if err := os.MkdirAll("/sys/fs/cgroup/init.scope", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile("/sys/fs/cgroup/init.scope/cgroup.procs", []byte("1"), 0); err != nil {
		return err
	}
	return syscall.Exec("/lib/systemd/systemd", []string{"/lib/systemd/systemd", "--system", "--show-status=no", "--log-target=journal"},
		append(env, "container=systemdtest"))
}

// prepareMachine leaves of the host's boot what it takes to reach multi-user.target.
func prepareMachine() error {
	for _, d := range []string{"sysinit.target.wants", "timers.target.wants", "local-fs.target.wants"} {
		if err := os.RemoveAll("/lib/systemd/system/" + d); err != nil {
			return err
		}
	}
	for _, d := range []string{"/lib/systemd/system-generators", "/var/log/journal", "/var/lib/systemd/timers"} {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	for _, d := range []string{"/etc/systemd/system", "/etc/systemd/journald.conf.d", "/var/log/journal", "/run/log"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	links := map[string]string{"default.target": "/lib/systemd/system/multi-user.target"}
	for _, u := range unwanted {
		links[u] = os.DevNull
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join("/etc/systemd/system", name)); err != nil {
			return err
		}
	}
	for path, text := range map[string]string{
		"/etc/fstab":                             "",
		"/etc/systemd/journald.conf.d/test.conf": "[Journal]\nStorage=persistent\nAudit=\nReadKMsg=no\nRateLimitBurst=0\n",
		"/run/systemd/journal/flushed":           "", // to disk at once
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(runDir); err != nil { // logind makes it
		return err
	}
	shadow, err := os.OpenFile("/etc/shadow", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = shadow.WriteString(user + ":*:19000:0:99999:7:::\n")
	return errors.Join(err, shadow.Close())
}

// runOnMachine waits for the machine, runs the test on it and says how that ended.
func runOnMachine() error {
	verdict := os.NewFile(verdictFD, "verdict")
	syscall.CloseOnExec(verdictFD)
	code, err := testOnMachine()
	if err != nil {
		fmt.Fprintf(os.Stderr, "systemdtest: %v\n", err)
		code = 125
	}
	_, err = verdict.WriteString(strconv.Itoa(code))
	return errors.Join(err, verdict.Close())
}

func testOnMachine() (int, error) {
	if err := waitFor("/run/systemd/private"); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), bootTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "is-system-running", "--wait").CombinedOutput()
	if state := strings.TrimSpace(string(out)); state != "running" {
		failed, _ := exec.CommandContext(ctx, "systemctl", "--failed", "--no-legend").CombinedOutput()
		return 0, fmt.Errorf("the machine is %q (%w)\n%s", state, err, failed)
	}
	test := exec.CommandContext(context.Background(), binary, os.Args[1:]...)
	test.Dir, test.Stdout, test.Stderr = "/root", os.Stdout, os.Stderr
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, stageVar+"=") {
			test.Env = append(test.Env, v)
		}
	}
	test.Env = append(test.Env, stageVar+"="+stageInside)
	err = test.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return 0, err
	}
	return test.ProcessState.ExitCode(), nil
}
