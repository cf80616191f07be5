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
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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
	Policy confine.Policy
	Steps  []step
}

// step is one thing to try: read, write, make, list, rename (to Path+"/../moved"),
// device, sh, listen.
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
	const threads = 8
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
			if len(t.Steps) > 0 {
				seen[i] = t.Steps[0].try()
			}
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

// scene is a home with two profiles, and a third whose state dir lies elsewhere.
type scene struct {
	exe, dir, home, own, other, outside, src string
	cred                                     *syscall.Credential // nil: as the test itself
}

// newScene makes the scene; every file belongs to the user whom cred names, who
// can also see the way there.
func newScene(t testing.TB, cred *syscall.Credential) *scene {
	t.Helper()
	s := &scene{dir: tempDir(t, ""), cred: cred}
	s.home = filepath.Join(s.dir, "home")
	s.own, s.other, s.src = filepath.Join(s.home, ".coderclaw"), filepath.Join(s.home, ".coderclaw-dev"), filepath.Join(s.home, "src")
	s.outside = tempDir(t, "/dev/shm") // the one place outside homes that every user may write to
	for path, text := range map[string]string{
		filepath.Join(s.own, "coderclaw.json"): "own", filepath.Join(s.own, "workspace", "f"): "", filepath.Join(s.home, ".ssh", "id"): "key",
		filepath.Join(s.other, "coderclaw.json"): "token", filepath.Join(s.outside, "coderclaw.json"): "token", filepath.Join(s.src, "main.c"): "",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.exe = filepath.Join(s.home, "exe")
	if os.Link(program, s.exe) != nil { // on another disk
		text, err := os.ReadFile(program)
		if err := errors.Join(err, os.WriteFile(s.exe, text, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	if cred == nil {
		return s
	}
	for _, dir := range []string{s.home, s.outside} {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if path == s.exe {
				return err
			}
			return errors.Join(err, os.Lchown(path, int(cred.Uid), int(cred.Gid)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// tempDir is like t.TempDir, below dir and to be seen by everybody.
func tempDir(t testing.TB, dir string) string {
	t.Helper()
	dir, err := os.MkdirTemp(dir, "coderclaw-confine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (s *scene) policy(mode confine.Mode) confine.Policy {
	return confine.Policy{Mode: mode, Home: s.home, ReadWrite: []string{s.own}, Temp: filepath.Join(s.own, "tmp"),
		Allow: []string{s.src}, Deny: []string{s.other, s.outside}}
}

// run has a process try the steps under the policy.
func (s *scene) run(tb testing.TB, p confine.Policy, steps []step) outcome {
	tb.Helper()
	text, err := json.Marshal(task{p, steps})
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), s.exe)
	cmd.Env = []string{taskVar + "=" + string(text), "GORACE=atexit_sleep_ms=0"}
	cmd.Dir = s.own
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	printed, err := cmd.Output()
	if err != nil {
		tb.Fatalf("the confined process: %v", err)
	}
	var out outcome
	if err := json.Unmarshal(printed, &out); err != nil {
		tb.Fatalf("%s: %v", printed, err)
	}
	if out.Failed != "" {
		tb.Fatalf("Apply: %s", out.Failed)
	}
	return out
}

// everyUser runs a test as whoever runs the tests and, when that is root, as nobody too.
func everyUser(t *testing.T, test func(*testing.T, *scene)) {
	t.Run("self", func(t *testing.T) {
		t.Parallel()
		test(t, newScene(t, nil))
	})
	if os.Geteuid() == 0 {
		t.Run("nobody", func(t *testing.T) {
			t.Parallel()
			test(t, newScene(t, &syscall.Credential{Uid: 65534, Gid: 65534}))
		})
	}
}

// expected is a step with what is to come of it; a shell's text only has to hold that.
type expected struct{ do, arg, want string }

// check tries what is expected. Without Landlock the report has to say so, and
// everything that the rules would refuse is open to who owns it.
func (s *scene) check(t *testing.T, p confine.Policy, all []expected) outcome {
	t.Helper()
	var steps []step
	for _, e := range all {
		steps = append(steps, step{e.do, e.arg})
	}
	out := s.run(t, p, steps)
	if p.Mode != confine.Off && out.Report.Landlock == 0 {
		if !slices.ContainsFunc(out.Report.Missing, func(m string) bool { return strings.HasPrefix(m, "landlock: ") }) {
			t.Errorf("no rules are in force, and the report does not say so: %+v", out.Report)
		}
		return out
	}
	for i, e := range all {
		if got := out.Tried[i]; (e.want == "") != (got == "") || !strings.Contains(got, e.want) {
			t.Errorf("%s %s: got %q; want %q", e.do, e.arg, got, e.want)
		}
	}
	for i, got := range out.Threads {
		if got != all[0].want {
			t.Errorf("thread %d: %s %s: got %q; want %q", i, all[0].do, all[0].arg, got, all[0].want)
		}
	}
	return out
}

func (s *scene) in(parts ...string) string { return filepath.Join(parts...) }

// others are what no confined process may touch, and what it needs all the same.
func (s *scene) others() []expected {
	return []expected{
		{"read", s.in(s.other, "coderclaw.json"), "EACCES"}, // first, so that every thread tries it
		{"write", s.in(s.other, "coderclaw.json"), "EACCES"},
		{"list", s.other, "EACCES"},
		{"make", s.in(s.other, "new"), "EACCES"},
		{"read", s.in(s.outside, "coderclaw.json"), "EACCES"},
		{"read", "/proc/self/root" + s.in(s.other, "coderclaw.json"), "EACCES"},
		{"read", s.in(s.home, ".ssh", "id"), "EACCES"},
		{"list", s.home, "EACCES"},
		{"make", s.in(s.home, "new"), "EACCES"},
		{"make", "/tmp/coderclaw-confine-new", "EACCES"},
		{"make", "/usr/coderclaw-confine-new", "EACCES"},
		{"read", "/etc/shadow", "EACCES"},
		{"sh", "cat " + s.in(s.other, "coderclaw.json"), "Permission denied"},
		{"sh", "echo x >" + s.in(s.home, "new"), "ermission denied"},

		{"read", s.in(s.own, "coderclaw.json"), ""},
		{"write", s.in(s.own, "coderclaw.json"), ""},
		{"make", s.in(s.own, "workspace", "new"), ""},
		{"make", s.in(s.own, "tmp", "new"), ""},
		{"device", s.in(s.own, "null"), "EACCES"},
		{"sh", "cat " + s.in(s.own, "coderclaw.json") + " >/dev/null && echo x >" + s.in(s.own, "workspace", "made"), ""},
		{"sh", "test $(umask) = 0077 && test $(ulimit -c) = 0", ""},
		{"sh", s.exe + " -test.list '^$'", ""},
		{"read", "/etc/passwd", ""},
		{"read", "/proc/self/stat", ""},
		{"list", "/usr/bin", ""},
		{"write", "/dev/null", ""},
		{"listen", "", ""},
	}
}

func TestStandard(t *testing.T) {
	t.Parallel()
	everyUser(t, func(t *testing.T, s *scene) {
		out := s.check(t, s.policy(confine.Standard), append(s.others(),
			expected{"read", s.in(s.src, "main.c"), ""}, expected{"make", s.in(s.src, "new"), ""}))
		if out.Report.Landlock > 1 {
			s.check(t, s.policy(confine.Standard), []expected{{"list", s.own, ""}, {"rename", s.in(s.own, "workspace", "f"), ""}})
		}
		s.checkLimits(t, out, "1")
		if info, err := os.Stat(s.in(s.own, "tmp")); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("temporary directory: %v, %v", info, err)
		}
		if info, err := os.Stat(s.in(s.own, "workspace", "new")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("made with %v, %v", info, err)
		}
	})
}

func TestStrict(t *testing.T) {
	t.Parallel()
	everyUser(t, func(t *testing.T, s *scene) {
		out := s.check(t, s.policy(confine.Strict), append(s.others(),
			expected{"read", s.in(s.src, "main.c"), "EACCES"}, expected{"make", s.in(s.src, "new"), "EACCES"}))
		s.checkLimits(t, out, "1")
	})
}

func TestOff(t *testing.T) {
	t.Parallel()
	everyUser(t, func(t *testing.T, s *scene) {
		out := s.check(t, s.policy(confine.Off), []expected{
			{"read", s.in(s.other, "coderclaw.json"), ""}, {"read", s.in(s.home, ".ssh", "id"), ""}, {"make", s.in(s.home, "new"), ""}})
		s.checkLimits(t, out, "0")
		if out.Report.Landlock != 0 || len(out.Report.Missing) > 0 {
			t.Errorf("report %+v", out.Report)
		}
	})
}

// checkLimits looks at what every mode does, and at no_new_privs of all threads.
func (s *scene) checkLimits(t *testing.T, out outcome, noNewPrivs string) {
	t.Helper()
	if len(out.Statuses) < 8 || slices.ContainsFunc(out.Statuses, func(v string) bool { return v != noNewPrivs }) {
		t.Errorf("no_new_privs of the threads %q; want %s", out.Statuses, noNewPrivs)
	}
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if want := min(ours+200, 1000); out.OOMScore != want {
		t.Errorf("oom score %d; want %d", out.OOMScore, want)
	}
	if out.Core != (unix.Rlimit{}) {
		t.Errorf("core limit %+v", out.Core)
	}
	if want := min(out.Files.Max, 65536); out.Files.Cur != want {
		t.Errorf("open files %d; want %d", out.Files.Cur, want)
	}
}

// TestAllowAround: what is allowed may contain what belongs to others.
func TestAllowAround(t *testing.T) {
	t.Parallel()
	everyUser(t, func(t *testing.T, s *scene) {
		p := s.policy(confine.Standard)
		registry := s.in(s.home, ".ssh", "id")
		p.Allow, p.ReadOnly = []string{s.home, s.in(s.other, "x"), s.in(s.home, "missing")}, []string{registry}
		out := s.check(t, p, []expected{
			{"read", s.in(s.other, "coderclaw.json"), "EACCES"}, {"read", s.in(s.outside, "coderclaw.json"), "EACCES"},
			{"write", s.in(s.src, "main.c"), ""}, {"read", registry, ""}, {"write", registry, "EACCES"}, {"make", s.in(s.home, "new"), "EACCES"},
		})
		all := strings.Join(out.Report.Missing, "\n")
		for _, want := range []string{s.in(s.other, "x") + ": it is not allowed", s.in(s.home, "missing") + ": it is missing", s.home + ": nothing new can be made"} {
			if out.Report.Landlock > 0 && !strings.Contains(all, want) {
				t.Errorf("the report lacks %q: %s", want, all)
			}
		}
	})
}

// TestThroughSymlinks: names lead where the symlinks lead.
func TestThroughSymlinks(t *testing.T) {
	t.Parallel()
	everyUser(t, func(t *testing.T, s *scene) {
		if err := errors.Join(os.Symlink(s.home, s.in(s.dir, "h")), os.Symlink(s.src, s.in(s.own, "link"))); err != nil {
			t.Fatal(err)
		}
		h := s.in(s.dir, "h")
		p := confine.Policy{Mode: confine.Standard, Home: h, ReadWrite: []string{s.in(h, ".coderclaw"), s.in(s.own, "link")}, Deny: []string{s.in(h, ".coderclaw-dev")}}
		s.check(t, p, []expected{{"read", s.in(h, ".coderclaw-dev", "coderclaw.json"), "EACCES"}, {"read", s.in(s.home, ".ssh", "id"), "EACCES"},
			{"write", s.in(s.own, "coderclaw.json"), ""}, {"make", s.in(s.own, "link", "new"), ""}})
	})
}

func TestUnknownMode(t *testing.T) {
	t.Parallel()
	if _, err := confine.Apply(confine.Policy{Mode: "loose"}); err == nil || !strings.Contains(err.Error(), `"loose"`) {
		t.Errorf("got %v", err)
	}
}

// BenchmarkApply measures Apply in processes of its own, which have to be
// started for it; apply-ms is the median of what the call itself takes. As root
// it measures an ordinary user too, for whom there is less to keep back.
func BenchmarkApply(b *testing.B) {
	users := map[string]*syscall.Credential{"self": nil}
	if os.Geteuid() == 0 {
		users["nobody"] = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	for user, cred := range users {
		for _, mode := range []confine.Mode{confine.Off, confine.Standard} {
			b.Run(user+"/"+string(mode), func(b *testing.B) {
				s := newScene(b, cred)
				var took []time.Duration
				for b.Loop() {
					took = append(took, s.run(b, s.policy(mode), nil).Took)
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "apply-ms")
			})
		}
	}
}
