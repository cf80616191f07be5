package confine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/confine"
)

// taskVar makes the test binary a process that confines itself and tries what the task says.
const taskVar = "CODERCLAW_TEST_TASK"

func TestMain(m *testing.M) {
	if text := os.Getenv(taskVar); text != "" {
		if err := carryOut(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type task struct {
	Policy    confine.Policy
	Steps     []step
	OldKernel bool
}

// step is one thing to try. What is renamed moves to the directory around its own.
type step struct{ Do, Arg string }

// outcome is what the process saw. Tried holds, for each step, "" or the error.
type outcome struct {
	Report   confine.Report
	Failed   string
	Took     time.Duration
	Tried    []string
	Threads  []string // what threads that were there before meet when they read the first step's path
	Statuses []string // NoNewPrivs of every thread
	OOMScore int
	Core     unix.Rlimit
	Files    unix.Rlimit
}

func carryOut(text string) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	if t.OldKernel {
		if err := hideLandlock(); err != nil {
			return err
		}
	}
	threads := 0
	if len(t.Steps) > 0 {
		threads = 8
	}
	var ready, tried, ended sync.WaitGroup
	seen := make([]string, threads)
	confined, looked := make(chan struct{}), make(chan struct{})
	for i := range threads {
		ready.Add(1)
		tried.Add(1)
		ended.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			<-confined
			seen[i] = t.Steps[0].try()
			tried.Done()
			<-looked
		})
	}
	ready.Wait()
	var out outcome
	start := time.Now()
	report, err := confine.Apply(t.Policy)
	out.Took = time.Since(start)
	close(confined)
	tried.Wait()
	out.Report, out.Threads = report, seen
	if err != nil {
		out.Failed = err.Error()
	}
	for _, s := range t.Steps {
		out.Tried = append(out.Tried, s.try())
	}
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	for _, name := range tasks {
		status, err := os.ReadFile(name)
		if err != nil {
			continue // a thread that has ended
		}
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, "NoNewPrivs:"); ok {
				out.Statuses = append(out.Statuses, strings.TrimSpace(value))
			}
		}
	}
	close(looked)
	ended.Wait()
	score, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return err
	}
	out.OOMScore, err = strconv.Atoi(strings.TrimSpace(string(score)))
	if err := errors.Join(err, unix.Getrlimit(unix.RLIMIT_CORE, &out.Core), unix.Getrlimit(unix.RLIMIT_NOFILE, &out.Files)); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func (s step) try() string {
	var err error
	switch s.Do {
	case "read":
		_, err = os.ReadFile(s.Arg)
	case "list":
		_, err = os.ReadDir(s.Arg)
	case "follow":
		_, err = os.Readlink(s.Arg)
	case "write":
		var f *os.File
		if f, err = os.OpenFile(s.Arg, os.O_WRONLY|os.O_APPEND, 0); err == nil {
			_, err = f.WriteString("x")
			err = errors.Join(err, f.Close())
		}
	case "make":
		err = os.WriteFile(s.Arg, nil, 0o666)
	case "rename":
		err = os.Rename(s.Arg, filepath.Join(filepath.Dir(filepath.Dir(s.Arg)), "moved"))
	case "device":
		err = unix.Mknod(s.Arg, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
	case "listen":
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			var c net.Conn
			if c, err = net.Dial("tcp", l.Addr().String()); err == nil {
				err = c.Close()
			}
			err = errors.Join(err, l.Close())
		}
	case "sh":
		cmd := exec.Command("/bin/sh", "-c", s.Arg)
		cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
		out, e := cmd.CombinedOutput()
		if e != nil {
			return strings.TrimSpace(string(out)) + " (" + e.Error() + ")"
		}
		return ""
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return unix.ErrnoName(errno)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// hideLandlock makes the kernel answer this process as one without Landlock does.
func hideLandlock() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the system call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_LANDLOCK_CREATE_RULESET, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil { // without it only root may filter
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}
