//go:build unix

package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/internal/logfile"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func TestThreeProfiles(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev", "rescue")
	r := supervise(t, ps, func(o *Options) { o.Unit = "u.service" })
	status := r.allReady()
	if got, want := status.Supervisor, (control.Supervisor{PID: os.Getpid(), Version: "1", Unit: "u.service", Profiles: []string{"default", "dev", "rescue"}}); !slices.Equal(got.Profiles, want.Profiles) || got.PID != want.PID || got.Unit != want.Unit || got.Version != want.Version {
		t.Errorf("supervisor %+v; want %+v", got, want)
	}
	if r.info.Unit != "u.service" || r.info.PID != os.Getpid() || r.info.Origin != OriginRun {
		t.Errorf("lock %+v", r.info)
	}
	pids := map[int]uint64{}
	for i, p := range ps {
		got := status.Instances[i]
		if got.Profile != p.Name || got.Port != p.Port || got.URL != fmt.Sprintf("ws://127.0.0.1:%d", p.Port) || got.Supervisor != os.Getpid() || got.ID == "" {
			t.Errorf("instance %+v", got)
		}
		start, err := proctable.StartTime(got.PID)
		if err != nil {
			t.Fatal(err)
		}
		pids[got.PID] = start
		reply, _, err := ask(t.Context(), p.Port, "ping")
		if want := fmt.Sprintf("%s %d ping", p.Name, got.PID); reply != want || err != nil {
			t.Errorf("reply %q, %v; want %q", reply, err, want)
		}
		var left seen
		note, err := os.ReadFile(filepath.Join(p.StateDir, seenFile))
		if err := errors.Join(err, json.Unmarshal(note, &left)); err != nil {
			t.Fatal(err)
		}
		if h := left.Handoff; h.Profile != p.Name || h.Instance != got.ID || h.StateDir != p.StateDir || h.ConfigPath != p.ConfigPath ||
			h.Workspace != p.Workspace || h.Port != p.Port || h.Drain != p.Drain || h.Env["KEY"] != "of "+p.Name {
			t.Errorf("hand-off %+v", h)
		}
		if !slices.Equal(left.Args, []string{os.Args[0], "gateway", "run"}) || left.Dir != p.StateDir || left.Sockets != 1 {
			t.Errorf("started as %q in %s with %d sockets", left.Args, left.Dir, left.Sockets)
		}
		for _, kv := range left.Env {
			name, _, _ := strings.Cut(kv, "=")
			if !isPassed(name) && !slices.Contains([]string{"CODERCLAW_LISTEN_FDS", "CODERCLAW_PARENT_FD", "CODERCLAW_INSTANCE", "NOTIFY_SOCKET"}, name) || kv == "NOTIFY_SOCKET=/nowhere" {
				t.Errorf("the child has %s", kv)
			}
		}
		if !slices.Contains(left.Env, "https_proxy=http://p") {
			t.Error("the child lacks the proxy")
		}
		wantMode(t, p.StateDir, 0o700)
		wantMode(t, p.SupervisorLock(), 0o600)
	}
	wantMode(t, filepath.Join(ps[0].StateDir, "notify.sock"), 0o600)
	if len(pids) != 3 {
		t.Errorf("pids %v", pids)
	}
	wantMode(t, r.info.Socket, 0o600)
	waitFor(t, "STATUS", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Contains(r.notified, "STATUS=3 of 3 ready")
	})

	if err := r.client.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.end()
	if !slices.Contains(r.notified, "STOPPING=1") {
		t.Errorf("notified %q", r.notified)
	}
	for pid, start := range pids {
		if proctable.Alive(pid, start) {
			t.Errorf("child %d is left", pid)
		}
	}
	for _, p := range ps {
		if _, _, err := control.Find(p); !errors.Is(err, control.ErrNone) {
			t.Errorf("found after the end: %v", err)
		}
		refused(t, p.Port)
		want := "hello from " + p.Name + "\n"
		path, err := logfile.Newest(p.LogDir())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != want || err != nil {
			t.Errorf("log %q, %v", got, err)
		}
		if r.lines[p.Name] != want {
			t.Errorf("lines %q", r.lines[p.Name])
		}
	}
	if _, err := os.Stat(r.info.Socket); err == nil {
		t.Error("the control socket is left")
	}
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
		t.Errorf("%s: %v, %v; want mode %o", path, info, err, want)
	}
}

func TestSecondSupervisorIsRefused(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev", "rescue")
	r := supervise(t, ps[1:2], func(o *Options) { o.Unit = "coderclaw-gateway-dev.service" })
	before := r.allReady()
	second, err := New(testOptions(ps, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(t.Context())
	want := fmt.Sprintf("profile dev is run by supervisor pid %d of unit coderclaw-gateway-dev.service; end it first with: coderclaw --profile dev gateway stop", os.Getpid())
	if exitcode.Of(err) != exitcode.Busy || err.Error() != want {
		t.Errorf("got %d %v; want %s", exitcode.Of(err), err, want)
	}
	l, err := lockfile.TryLock(ps[0].SupervisorLock()) // all or nothing
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	status, err := r.client.Status(t.Context())
	if err != nil || status.Instances[0].PID != before.Instances[0].PID {
		t.Errorf("the first is not as it was: %+v, %v", status, err)
	}
}

func TestHeldBy(t *testing.T) {
	t.Parallel()
	p := testProfiles(t, "default")[0]
	for _, tc := range []struct{ content, want string }{
		{"", "is run by another supervisor, which is just starting; see: coderclaw ps"},
		{`{"pid":7,"origin":"up"}`, "is run by supervisor pid 7; end it first with: coderclaw down"},
		{`{"pid":7,"origin":"run"}`, "is run by supervisor pid 7; end it first with: kill 7"},
		{`{"pid":7,"unit":"u.service"}`, "is run by supervisor pid 7 of unit u.service; end it first with: coderclaw gateway stop"},
	} {
		if got := heldBy(p, []byte(tc.content)).Error(); got != "profile default "+tc.want {
			t.Errorf("got %s; want %s", got, tc.want)
		}
	}
}

func TestUnusableStateDir(t *testing.T) {
	t.Parallel()
	p := testProfiles(t, "dev")[0]
	if err := os.MkdirAll(p.StateDir, 0o755); err != nil {
		t.Fatal(err)
	}
	uid := os.Getuid()
	if err := ownStateDir(p, uid); err != nil {
		t.Error(err)
	}
	err := ownStateDir(p, uid+12345)
	want := fmt.Sprintf("state dir %s belongs to user %s, but this is user %d", p.StateDir, proctable.UserName(uid), uid+12345)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v; want %s", err, want)
	}
	p.StateDir = filepath.Join(p.StateDir, "a", "b")
	got := stateDirError(p, os.ErrPermission).Error()
	want = fmt.Sprintf("state dir %s is not writable: %s belongs to user %s and has mode 0755;", p.StateDir, filepath.Dir(filepath.Dir(p.StateDir)), proctable.UserName(uid))
	if !strings.Contains(got, want) {
		t.Errorf("got %s; want %s", got, want)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.StateDir = file
	if _, err := takeLock(p); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file as state dir: %v", err)
	}
}

func TestNewWithoutProfiles(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("nothing to supervise is no error")
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ addr, want string }{
		{"127.0.0.1:1", "127.0.0.1:1"}, {"0.0.0.0:1", "127.0.0.1:1"}, {"[::]:1", "127.0.0.1:1"},
		{"100.64.0.1:1", "100.64.0.1:1"}, {"[::1]:1", "[::1]:1"},
	} {
		if got := reachable(Checked{Addrs: []netip.AddrPort{netip.MustParseAddrPort(tc.addr)}, Port: 1}); got.String() != tc.want {
			t.Errorf("%s: got %s, want %s", tc.addr, got, tc.want)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	list := []control.Instance{{Profile: "default", State: instance.Ready}, {Profile: "dev", State: instance.Blocked, Reason: "port 1 held\nby pid 2"}}
	if got, want := summary(list), "1 of 2 ready; dev blocked: port 1 held by pid 2"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	list[1].Reason = strings.Repeat("é", 200)
	if got := summary(list); len(got) > maxSummary || !strings.HasSuffix(got, "é…") {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
}
