//go:build unix

package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/peercred"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// doctored is what a fake doctor prints of how it was started.
type doctored struct {
	Args, Env []string
	Vars      map[string]string
	PID, PGID int
}

// fakeDoctor behaves as the name of the profile says.
func fakeDoctor(profile string) int {
	switch profile {
	case "loud":
		fmt.Println(strings.Repeat("x", 2*control.DoctorLine))
		for range 3 * control.DoctorOutput / 1000 {
			fmt.Println(strings.Repeat("y", 999))
		}
		return 0
	case "hangs":
		ends := make(chan os.Signal, 1)
		signal.Notify(ends, syscall.SIGTERM)
		fmt.Println("hangs")
		<-ends
		fmt.Println("ends")
		return 3
	case "late": // prints to nobody, then leaves a note
		ends := make(chan os.Signal, 1)
		signal.Notify(ends, syscall.SIGUSR1)
		fmt.Println(os.Getpid())
		<-ends
		for range 100 {
			fmt.Println("is anybody there?")
		}
		if err := os.WriteFile(filepath.Join(os.Getenv("HOME"), "late"), []byte("done"), 0o600); err != nil {
			return 1
		}
		return 0
	case "crashes":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	fmt.Fprintln(os.Stderr, "looks")
	d := doctored{Args: os.Args[1:], Env: os.Environ(), PID: os.Getpid(), PGID: syscall.Getpgrp()}
	if fd, err := strconv.Atoi(os.Getenv(handoff.EnvVarsFD)); err == nil {
		msg, err := handoff.Read(os.NewFile(uintptr(fd), "vars"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		d.Vars = msg.Env
	}
	_ = json.NewEncoder(os.Stdout).Encode(d)
	return 1
}

func TestDoctorRunsOutsideOfTheGateways(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "rescue")
	r := supervise(t, ps, func(o *Options) {
		o.RegistryPath = "/r/profiles.toml"
		o.PassEnv = func(profile string) map[string]string { return map[string]string{"KEY": "secret of " + profile} }
		o.Environ = append(o.Environ, "XDG_RUNTIME_DIR=/run/user/1", "KEY=secret")
	})
	r.allReady()
	for _, repair := range []bool{false, true} {
		var out, errs []string
		exit, err := r.client.Doctor(t.Context(), "default", repair, func(stream, line string) {
			if stream == control.Stderr {
				errs = append(errs, line)
				return
			}
			out = append(out, line)
		})
		if exit != 1 || err != nil || len(out) != 1 || !slices.Equal(errs, []string{"looks"}) {
			t.Fatalf("got %d, %v, %q, %q", exit, err, out, errs)
		}
		var d doctored
		if err := json.Unmarshal([]byte(out[0]), &d); err != nil {
			t.Fatal(err)
		}
		want := []string{"--profile", "default", "doctor", "--non-interactive", "--json"}
		if repair {
			want = append(want, "--repair", "--yes")
		}
		if !slices.Equal(d.Args, want) {
			t.Errorf("started as %q", d.Args)
		}
		if d.PGID != d.PID {
			t.Error("it is in no group of its own")
		}
		if len(d.Vars) != 1 || d.Vars["KEY"] != "secret of default" {
			t.Errorf("handed over %v", d.Vars)
		}
		if !slices.Contains(d.Env, "CODERCLAW_REGISTRY=/r/profiles.toml") || !slices.Contains(d.Env, "XDG_RUNTIME_DIR=/run/user/1") {
			t.Errorf("environment %q", d.Env)
		}
		for _, kv := range d.Env {
			if strings.Contains(kv, "secret") || strings.HasPrefix(kv, "NOTIFY_SOCKET=") || strings.HasPrefix(kv, "KEY=") {
				t.Errorf("doctor has %s", kv)
			}
		}
	}
}

func TestDoctorOutputIsBounded(t *testing.T) {
	t.Parallel()
	r := supervise(t, testProfiles(t, "rescue"), nil)
	total, last, first := 0, "", 0
	exit, err := r.client.Doctor(t.Context(), "loud", false, func(_, line string) {
		if first == 0 {
			first = len(line)
		}
		total += len(line) + 1
		last = line
	})
	if exit != 0 || err != nil || first != control.DoctorLine || !strings.Contains(last, "left out") ||
		total > control.DoctorOutput+200 || total < control.DoctorOutput-1000 {
		t.Errorf("got %d, %v; first line %d, last %q, %d bytes", exit, err, first, last, total)
	}
}

func TestOneDoctorAtATimeAndNoneAfterTheEnd(t *testing.T) {
	t.Parallel()
	r := supervise(t, testProfiles(t, "rescue"), nil)
	var lines []string
	exit, err := r.client.Doctor(t.Context(), "hangs", false, func(_, line string) {
		lines = append(lines, line)
		if line != "hangs" {
			return
		}
		if _, err := r.client.Doctor(t.Context(), "default", false, nil); exitcode.Of(err) != exitcode.Busy {
			t.Errorf("a second one: %v", err)
		}
		if err := r.client.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if exit != 3 || err != nil || strings.Join(lines, "|") != "hangs|doctor is ended, because the supervisor ends|ends" {
		t.Errorf("got %d, %v, %q", exit, err, lines)
	}
	r.end()
}

func TestDoctorThatIsKilled(t *testing.T) {
	t.Parallel()
	r := supervise(t, testProfiles(t, "rescue"), nil)
	if exit, err := r.client.Doctor(t.Context(), "crashes", false, func(string, string) {}); exit != -1 || err != nil {
		t.Errorf("got %d, %v", exit, err)
	}
}

// A repair is not left half done because whoever asked for it is gone.
func TestDoctorOutlivesItsClient(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	r := supervise(t, testProfiles(t, "rescue"), func(o *Options) { o.Environ = append(o.Environ, "HOME="+home) })
	ctx, leave := context.WithCancel(t.Context())
	pid := 0
	_, err := r.client.Doctor(ctx, "late", true, func(_, line string) {
		pid, _ = strconv.Atoi(line)
		leave()
	})
	if !errors.Is(err, context.Canceled) || pid == 0 {
		t.Fatalf("got %v, pid %d", err, pid)
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the note of doctor", func() bool {
		note, _ := os.ReadFile(filepath.Join(home, "late"))
		return string(note) == "done"
	})
}

func TestOnlyRescueMayAskForDoctor(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev", "rescue")
	r := supervise(t, ps, nil)
	status := r.allReady()
	for _, tc := range []struct {
		from int
		path string
		want string
	}{
		{0, "/v1/doctor/dev", "403"},
		{1, "/v1/doctor/default?repair=1", "403"},
		{1, "/v1/doctor/dev", "403"},
		{1, "/v1/doctor/rescue", "403"},
		{2, "/v1/doctor/rescue", "403"},
		{2, "/v1/doctor/--repair", "400"},
		{2, "/v1/doctor/default?repair=1", "200"},
	} {
		reply, _, err := ask(t.Context(), ps[tc.from].Port, "post "+r.info.Socket+" "+tc.path)
		want := fmt.Sprintf("%s %d %s", ps[tc.from].Name, status.Instances[tc.from].PID, tc.want)
		if reply != want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", tc.path, reply, err, want)
		}
	}
}

// Who has outlived its gateway, or is gone itself, cannot be told from what any
// gateway has started.
func TestWhoMayNotBeToldApart(t *testing.T) {
	t.Parallel()
	s, err := New(testOptions(testProfiles(t, "rescue"), ""))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	as := func(pid int) error {
		r, err := http.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, peer{peercred.Cred{PID: pid}, proctable.Ancestors(pid)}), http.MethodPost, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.mayDoctor(r, "default")
	}
	if err := as(cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), "a gateway that it has outlived") {
		t.Errorf("what was left behind: %v", err)
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	if _, err := proctable.StartTime(cmd.Process.Pid); err != nil { // nobody has taken its number
		if err := as(cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), "had ended before it could be seen") {
			t.Errorf("who is gone: %v", err)
		}
	}
	if err := as(os.Getppid()); err != nil {
		t.Errorf("a person: %v", err)
	}
}

func TestDiagnosis(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev", "rescue")
	if err := errors.Join(os.MkdirAll(ps[0].StateDir, 0o700), os.WriteFile(ps[0].ConfigPath, []byte("no good"), 0o600)); err != nil {
		t.Fatal(err)
	}
	r := supervise(t, ps, func(o *Options) {
		o.Unit = "all.service"
		o.Look = func(ctx context.Context, own []string) ([]control.Diagnosis, error) {
			if !slices.Equal(own, []string{"default", "dev", "rescue"}) {
				t.Errorf("our own are said to be %q", own)
			}
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the look at others is not bounded")
			}
			return []control.Diagnosis{{Profile: "other", State: control.Unknown, Reason: "mute"}}, errors.New("one cannot be seen")
		}
	})
	r.until("the others ready", func(s control.Status) bool {
		return s.Instances[0].State == instance.Blocked && s.Instances[1].State == instance.Ready && s.Instances[2].State == instance.Ready
	})
	got, err := r.client.Diagnosis(t.Context())
	if err != nil || len(got.Wrong) != 2 || got.Unseen != "one cannot be seen" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if d := got.Wrong[0]; d.Profile != "default" || d.State != instance.Blocked || d.Reason != "no good" || d.Supervisor != os.Getpid() || d.Unit != "all.service" || d.Since.IsZero() {
		t.Errorf("got %+v", d)
	}
	if d := got.Wrong[1]; d != (control.Diagnosis{Profile: "other", State: control.Unknown, Reason: "mute"}) {
		t.Errorf("got %+v", d)
	}
	var left seen
	note, err := os.ReadFile(filepath.Join(ps[2].StateDir, seenFile))
	if err := errors.Join(err, json.Unmarshal(note, &left)); err != nil || left.Handoff.ControlSocket != r.info.Socket {
		t.Errorf("the gateway was told of %q, %v", left.Handoff.ControlSocket, err)
	}
}
