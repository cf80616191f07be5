package confine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/confine"
	"github.com/coderclaw/coderclaw/internal/programtest"
)

// scene is a home with two profiles, and a third whose state dir lies elsewhere.
type scene struct {
	exe, dir, home, own, other, outside, src string
	cred                                     *syscall.Credential // nil: as the test itself
	outsider                                 int                 // pid of a process of the same user that is not confined
	oldKernel                                bool                // what is tried does not find Landlock in the kernel
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
		if err != nil {
			t.Fatal(err)
		}
		programtest.Write(t, s.exe, text)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/cat") // ends with the pipe that it reads
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	pipe, err := cmd.StdinPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pipe.Close()
		_ = cmd.Wait() // the context may have killed it
	})
	s.outsider = cmd.Process.Pid
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
	return confine.Policy{Mode: mode, Homes: []string{s.home}, ReadWrite: []string{s.own}, Temp: filepath.Join(s.own, "tmp"),
		Allow: []string{s.src}, Deny: []string{s.other, s.outside}}
}

// run has a process try the steps under the policy.
func (s *scene) run(tb testing.TB, p confine.Policy, steps []step) outcome {
	tb.Helper()
	text, err := json.Marshal(task{p, steps, s.oldKernel})
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
		{"follow", fmt.Sprintf("/proc/%d/cwd", s.outsider), "EACCES"},
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
			{"read", s.in(s.other, "coderclaw.json"), ""}, {"read", s.in(s.home, ".ssh", "id"), ""}, {"make", s.in(s.home, "new"), ""},
			{"follow", fmt.Sprintf("/proc/%d/cwd", s.outsider), ""}})
		s.checkLimits(t, out, "0")
		if out.Report.Landlock != 0 || len(out.Report.Missing) > 0 {
			t.Errorf("report %+v", out.Report)
		}
	})
}

// TestWithoutLandlock: a kernel that has none is no error; the rest is done, and
// the report says what is not.
func TestWithoutLandlock(t *testing.T) {
	t.Parallel()
	everyUser(t, func(t *testing.T, s *scene) {
		s.oldKernel = true
		out := s.check(t, s.policy(confine.Standard), nil)
		s.checkLimits(t, out, "1")
		if r := out.Report; r.Landlock != 0 || !slices.Contains(r.Applied, "no_new_privs") || len(r.Missing) != 1 {
			t.Errorf("report %+v", r)
		}
	})
}

// checkLimits looks at what every mode does, and at no_new_privs of all threads.
func (s *scene) checkLimits(t *testing.T, out outcome, noNewPrivs string) {
	t.Helper()
	if len(out.Statuses) == 0 || slices.ContainsFunc(out.Statuses, func(v string) bool { return v != noNewPrivs }) {
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
		p := confine.Policy{Mode: confine.Standard, Homes: []string{h}, ReadWrite: []string{s.in(h, ".coderclaw"), s.in(s.own, "link")}, Deny: []string{s.in(h, ".coderclaw-dev")}}
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
