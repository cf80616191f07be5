package servicegen

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestInstallTwiceThenUninstall(t *testing.T) {
	t.Parallel()
	m, u, s := newFake(t)
	r, err := Install(t.Context(), m, u, s, InstallOptions{})
	if err != nil || !r.Wrote || !r.Enabled || !r.Started || r.State.MainPID != 7 {
		t.Fatalf("got %+v, %v", r, err)
	}
	if got := strings.Join(m.asked, " "); got != "enable reload start" {
		t.Errorf("asked %q", got)
	}
	m.asked = nil
	before := tree(t, m.dir)
	if r, err = Install(t.Context(), m, u, s, InstallOptions{}); err != nil || r.Wrote || r.Enabled || r.Started || len(m.asked) != 0 {
		t.Errorf("second time: got %+v, %v, asked %q", r, err, m.asked)
	}
	if d := cmp.Diff(before, tree(t, m.dir)); d != "" {
		t.Errorf("second time: %s", d)
	}
	out, err := Uninstall(t.Context(), m, u, UninstallOptions{})
	if err != nil || !out.Found || !out.Removed || !out.Stopped {
		t.Errorf("uninstall: got %+v, %v", out, err)
	}
	if got := strings.Join(m.asked, " "); got != "stop disable reload reset" {
		t.Errorf("uninstall asked %q", got)
	}
	if left := tree(t, m.dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	m.asked = nil
	if out, err = Uninstall(t.Context(), m, u, UninstallOptions{}); err != nil || out.Found || len(m.asked) != 0 {
		t.Errorf("second uninstall: got %+v, %v, asked %q", out, err, m.asked)
	}
}

func TestInstallMendsWhatItFinds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, m *fakeManager, u Unit, text string)
		asked string
	}{
		"edited": {func(t *testing.T, _ *fakeManager, u Unit, text string) {
			write(t, u.Path, strings.Replace(text, "--profile default", "--profile dev", 1))
		}, "enable reload restart"},
		"deleted": {func(t *testing.T, _ *fakeManager, u Unit, _ string) { mustRemove(t, u.Path) }, "enable reload restart"},
		"emptied": {func(t *testing.T, _ *fakeManager, u Unit, _ string) { write(t, u.Path, "") }, "enable reload restart"},
		"masked": {func(t *testing.T, _ *fakeManager, u Unit, _ string) {
			mustRemove(t, u.Path)
			link(t, os.DevNull, u.Path)
		}, "enable reload restart"},
		"disabled": {func(t *testing.T, m *fakeManager, u Unit, _ string) {
			mustRemove(t, m.link(u))
		}, "enable reload"},
		"started by another target": {func(t *testing.T, m *fakeManager, u Unit, _ string) {
			link(t, u.Path, filepath.Join(m.dir, "graphical-session.target.wants", u.Name))
			mustRemove(t, m.link(u))
		}, "enable reload"},
		"starting by an older file": {func(_ *testing.T, m *fakeManager, _ Unit, _ string) {
			m.active, m.activating, m.loaded = false, "start", "[Service]\nExecStart=/old\n"
		}, "reload restart"},
		"starting":                {func(_ *testing.T, m *fakeManager, _ Unit, _ string) { m.active, m.activating = false, "start" }, "start"},
		"waiting for another try": {func(_ *testing.T, m *fakeManager, _ Unit, _ string) { m.active, m.activating = false, "auto-restart" }, "restart"},
		"stopped":                 {func(_ *testing.T, m *fakeManager, _ Unit, _ string) { m.active = false }, "start"},
		"stale": {func(_ *testing.T, m *fakeManager, _ Unit, _ string) {
			m.loaded = "[Service]\nExecStart=/old\n"
		}, "reload restart"},
	} {
		m, u, s := newFake(t)
		if _, err := Install(t.Context(), m, u, s, InstallOptions{}); err != nil {
			t.Fatal(err)
		}
		want := tree(t, m.dir)
		tc.spoil(t, m, u, want[u.Name])
		m.asked = nil
		if _, err := Install(t.Context(), m, u, s, InstallOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Join(m.asked, " "); got != tc.asked {
			t.Errorf("%s: asked %q, want %q", name, got, tc.asked)
		}
		got := tree(t, m.dir)
		delete(got, "graphical-session.target.wants/"+u.Name) // whoever made that keeps it
		if d := cmp.Diff(want, got); d != "" || !m.active {
			t.Errorf("%s: active %v, %s", name, m.active, d)
		}
	}
}

func mustRemove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestInstallPutsBackWhatWasThere(t *testing.T) {
	t.Parallel()
	old := "[Service]\n# mine\nExecStart=/opt/old/coderclaw supervisor run --profile default\nNice=5\n"
	for name, tc := range map[string]struct {
		before func(t *testing.T, m *fakeManager, u Unit)
		refuse string
		active bool
	}{
		"nothing, start fails":   {func(*testing.T, *fakeManager, Unit) {}, "start", false},
		"nothing, enable fails":  {func(*testing.T, *fakeManager, Unit) {}, "enable", false},
		"nothing, the job fails": {func(*testing.T, *fakeManager, Unit) {}, "", false},
		"old, disabled, down":    {func(t *testing.T, _ *fakeManager, u Unit) { write(t, u.Path, old) }, "start", false},
		"masked":                 {func(t *testing.T, _ *fakeManager, u Unit) { link(t, os.DevNull, u.Path) }, "start", false},
		"emptied":                {func(t *testing.T, _ *fakeManager, u Unit) { write(t, u.Path, "") }, "start", false},
		"a link to a kept file": {func(t *testing.T, m *fakeManager, u Unit) {
			write(t, m.dir+"/kept", old)
			link(t, m.dir+"/kept", u.Path)
		}, "start", false},
		"started by another target": {func(t *testing.T, m *fakeManager, u Unit) {
			write(t, u.Path, old)
			link(t, u.Path, filepath.Join(m.dir, "graphical-session.target.wants", u.Name))
		}, "start", false},
		"old, enabled, running":  {running(old), "", true},
		"old, running, disabled": {func(t *testing.T, m *fakeManager, u Unit) { running(old)(t, m, u); mustRemove(t, m.link(u)) }, "", true},
	} {
		m, u, s := newFake(t)
		tc.before(t, m, u)
		want := tree(t, m.dir)
		m.refuse, m.bad = tc.refuse, s.Exec[0]
		if tc.refuse == "start" {
			m.bad = ""
		}
		ctx, cancel := context.WithCancel(t.Context())
		m.cut = cancel // the caller gives up at the worst moment
		_, err := Install(ctx, m, u, s, InstallOptions{})
		cancel()
		if err == nil || !strings.Contains(err.Error(), "everything is as it was") {
			t.Errorf("%s: got %v", name, err)
		}
		if d := cmp.Diff(want, tree(t, m.dir)); d != "" {
			t.Errorf("%s (-before +after):\n%s", name, d)
		}
		if m.active != tc.active || m.failed {
			t.Errorf("%s: active %v failed %v", name, m.active, m.failed)
		}
		if tc.active && m.loaded != old {
			t.Errorf("%s: loaded is not the old text", name)
		}
	}
}

func running(text string) func(t *testing.T, m *fakeManager, u Unit) {
	return func(t *testing.T, m *fakeManager, u Unit) {
		write(t, u.Path, text)
		link(t, u.Path, m.link(u))
		m.loaded, m.active = text, true
	}
}

func TestInstallSaysWhenTheWayBackFails(t *testing.T) {
	t.Parallel()
	m, u, s := newFake(t)
	m.refuse = "reload"
	_, err := Install(t.Context(), m, u, s, InstallOptions{})
	if err == nil || !strings.Contains(err.Error(), "putting back what was there failed too: reload refused") {
		t.Errorf("got %v", err)
	}
	if left := tree(t, m.dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestInstallLeavesFilesOfOthersAlone(t *testing.T) {
	t.Parallel()
	node := "[Service]\nExecStart=/usr/bin/node /x/coderclaw/entry.js gateway\nEnvironment=CODERCLAW_SERVICE_MARKER=coderclaw\n"
	for name, text := range map[string]string{"node": node, "other": "[Service]\nExecStart=/bin/sleep 1\n"} {
		m, u, s := newFake(t)
		write(t, u.Path, text)
		before := tree(t, m.dir)
		_, err := Install(t.Context(), m, u, s, InstallOptions{})
		foreign, ok := errors.AsType[*ForeignFileError](err)
		if !ok || string(foreign.Origin.Kind) != name {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := Uninstall(t.Context(), m, u, UninstallOptions{}); err == nil {
			t.Errorf("%s: uninstalled", name)
		}
		if d := cmp.Diff(before, tree(t, m.dir)); d != "" || len(m.asked) != 0 {
			t.Errorf("%s: asked %q, %s", name, m.asked, d)
		}
		r, err := Install(t.Context(), m, u, s, InstallOptions{Force: true})
		if err != nil || string(r.TakenOver) != name {
			t.Errorf("%s by force: got %+v, %v", name, r, err)
		}
		want, _ := s.Render()
		if got, _ := os.ReadFile(u.Path); string(got) != string(want) {
			t.Errorf("%s by force: got %s", name, got)
		}
	}
}

func TestInstallKeepsForeignSettings(t *testing.T) {
	t.Parallel()
	m, u, s := newFake(t)
	text, err := s.Systemd()
	if err != nil {
		t.Fatal(err)
	}
	write(t, u.Path, strings.Replace(string(text), "UMask=0077\n", "UMask=0022\nNice=5\n", 1))
	write(t, u.Path+".d/mine.conf", "[Service]\nTimeoutStopSec=99\n")
	r, err := Install(t.Context(), m, u, s, InstallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]KeyValue{{"Service", "Nice", "5"}}, r.Foreign); d != "" || len(r.DropIns) != 1 {
		t.Errorf("drop-ins %v, %s", r.DropIns, d)
	}
	if _, err := Uninstall(t.Context(), m, u, UninstallOptions{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{u.Name + ".d/mine.conf": "[Service]\nTimeoutStopSec=99\n"}, tree(t, m.dir)); d != "" {
		t.Error(d)
	}
}

func TestInstallWithoutAManager(t *testing.T) {
	t.Parallel()
	m, u, s := newFake(t)
	m.noBus = true
	if _, err := Install(t.Context(), m, u, s, InstallOptions{}); !errors.Is(err, ErrNoBus) {
		t.Errorf("got %v", err)
	}
	if left := tree(t, m.dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	r, err := Install(t.Context(), m, u, s, InstallOptions{Offline: true})
	if err != nil || !r.Pending || !r.Wrote || !r.Enabled || r.Started {
		t.Errorf("offline: got %+v, %v", r, err)
	}
	if o := Observe(FormatSystemd, u.Path); o.State != FileText || len(o.Targets) != 1 {
		t.Errorf("offline: got %+v", o)
	}
	if r, err = Install(t.Context(), m, u, s, InstallOptions{Offline: true}); err != nil || r.Wrote || r.Enabled {
		t.Errorf("offline, second: got %+v, %v", r, err)
	}
	for _, by := range []string{"default.target.requires", "x.target.upholds"} { // by a hand
		if err := errors.Join(os.Mkdir(filepath.Join(m.dir, by), 0o700), os.Symlink(u.Path, filepath.Join(m.dir, by, u.Name))); err != nil {
			t.Fatal(err)
		}
	}
	out, err := Uninstall(t.Context(), m, u, UninstallOptions{Offline: true})
	if left := tree(t, m.dir); err != nil || !out.Removed || len(left) != 0 {
		t.Errorf("offline uninstall: got %+v, %v, left %v", out, err, left)
	}
}

func TestInstallForLaunchd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := &fakeManager{format: FormatLaunchd, dir: dir}
	p := profile("default")
	p.StateDir = filepath.Join(dir, "state")
	s := ForProfile(p, options(FormatLaunchd))
	u := s.Unit(filepath.Join(dir, "LaunchAgents"))
	if _, err := Install(t.Context(), m, u, s, InstallOptions{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "state", "logs")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("log directory: %v", err)
	}
	m.asked = nil
	write(t, u.Path, strings.Replace(readText(t, u.Path), "<integer>45</integer>", "<integer>5</integer>", 1))
	if _, err := Install(t.Context(), m, u, s, InstallOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(m.asked, " "); got != "reload start" {
		t.Errorf("mend asked %q", got)
	}
	m.asked = nil
	if _, err := Uninstall(t.Context(), m, u, UninstallOptions{}); err == nil || !strings.Contains(err.Error(), "still loaded") {
		t.Errorf("a job that stays: got %v", err) // the fake keeps its copy until it is asked to reload
	}
	if got := strings.Join(m.asked, " "); got != "stop" {
		t.Errorf("uninstall asked %q", got)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestInstallWithoutStarting(t *testing.T) {
	t.Parallel()
	m, u, s := newFake(t)
	r, err := Install(t.Context(), m, u, s, InstallOptions{NoStart: true})
	if err != nil || r.Started || m.active {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestUndoHasTimeOfItsOwn(t *testing.T) {
	t.Parallel()
	m, u, s := newFake(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	m.refuse, m.cut = "start", cancel
	if _, err := Install(ctx, m, u, s, InstallOptions{}); err == nil {
		t.Fatal("no error")
	}
	for i, err := range m.seen {
		if err != nil {
			t.Errorf("verb %d (%s) ran under a context that had ended", i, m.asked[i])
		}
	}
}
