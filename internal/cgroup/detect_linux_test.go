package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a tree of files that looks to Detect like a system.
type machine struct {
	own, first string // groups of this process and of process 1
	mounts     string
	groups     []string       // directories, absolute in the machine
	top        string         // a group that has no cgroup.events, as the machine's own top
	uid        int            // of this process
	owners     map[string]int // of groups; others are root's
	marked     string         // a group that was handed over
	readOnly   string         // a group that cannot be written to
	told       string         // a group, as in own, of which the service manager says so when asked
}

func (m machine) detect(t *testing.T) (string, error) {
	t.Helper()
	root := t.TempDir()
	put := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("/proc/self/cgroup", "1:name=systemd:/\n0::"+m.own+"\n")
	put("/proc/1/cgroup", "0::"+m.first+"\n")
	put("/proc/self/mountinfo", m.mounts)
	for _, g := range m.groups {
		put(g+"/cgroup.procs", "")
		if g != m.top {
			put(g+"/cgroup.events", "populated 1\n")
		}
	}
	h := host{
		root: root, uid: m.uid,
		marked: func(dir string) bool { return m.marked != "" && dir == root+m.marked },
		told:   func(group string) bool { return m.told != "" && group == m.told },
		owner: func(dir string) (int, error) {
			if _, err := os.Stat(dir); err != nil {
				return 0, err
			}
			return m.owners[strings.TrimPrefix(dir, root)], nil
		},
		writable: func(path string) error {
			if m.readOnly != "" && strings.HasPrefix(path, root+m.readOnly) {
				return errors.New("no")
			}
			return nil
		},
	}
	tree, err := h.detect()
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(tree.Dir(), root), nil
}

func TestDetect(t *testing.T) {
	t.Parallel()
	const (
		unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
		hybrid  = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n38 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		unit    = "/sys/fs/cgroup/system.slice/x.service"
		session = "/sys/fs/cgroup/user.slice/user-0.slice/session-3.scope"
		users   = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service"
	)
	theirs := map[string]int{users: 1000, users + "/app.slice": 1000, users + "/app.slice/x.service": 1000}
	for name, tc := range map[string]struct {
		machine
		want, why string
	}{
		"system unit": {machine{own: "/system.slice/x.service", first: "/init.scope", mounts: unified, groups: []string{unit}, marked: unit}, unit, ""},
		"system unit, entered": {machine{own: "/system.slice/x.service/supervisor", first: "/init.scope", mounts: unified,
			groups: []string{unit, unit + "/supervisor"}, marked: unit}, unit, ""},
		"unit of an ordinary user in the system's scope": {machine{own: "/system.slice/x.service", first: "/init.scope", mounts: unified, groups: []string{unit},
			marked: unit, uid: 1000, owners: map[string]int{unit: 1000}}, unit, ""},
		"unit without delegation": {machine{own: "/system.slice/x.service", first: "/init.scope", mounts: unified, groups: []string{unit}}, "", "nobody marked it"},
		"hybrid": {machine{own: "/system.slice/x.service", first: "/init.scope", mounts: hybrid, groups: []string{"/sys/fs/cgroup/unified/system.slice/x.service"},
			marked: "/sys/fs/cgroup/unified/system.slice/x.service"}, "/sys/fs/cgroup/unified/system.slice/x.service", ""},
		"root's login session": {machine{own: "/user.slice/user-0.slice/session-3.scope", first: "/init.scope", mounts: unified, groups: []string{session}}, "", "nobody marked it"},
		"a user's login session": {machine{own: "/user.slice/user-0.slice/session-3.scope", first: "/init.scope", mounts: unified, groups: []string{session},
			uid: 1000}, "", "belongs to another user"},
		"user unit": {machine{own: "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", first: "/init.scope", mounts: unified,
			groups: []string{users + "/app.slice/x.service"}, uid: 1000, owners: theirs, marked: users + "/app.slice/x.service"}, users + "/app.slice/x.service", ""},
		"user unit without delegation": {machine{own: "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", first: "/init.scope", mounts: unified,
			groups: []string{users + "/app.slice/x.service"}, uid: 1000, owners: theirs}, "", "the service manager's"},
		"user unit, no mark": {machine{own: "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", first: "/init.scope", mounts: unified,
			groups: []string{users + "/app.slice/x.service"}, uid: 1000, owners: theirs,
			told: "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service"}, users + "/app.slice/x.service", ""},
		"user unit, no mark, entered": {machine{own: "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service/supervisor", first: "/init.scope", mounts: unified,
			groups: []string{users + "/app.slice/x.service", users + "/app.slice/x.service/supervisor"}, uid: 1000, owners: theirs,
			told: "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service"}, users + "/app.slice/x.service", ""},
		"told of another user's": {machine{own: "/system.slice/x.service", first: "/init.scope", mounts: unified, groups: []string{unit},
			told: "/system.slice/x.service", uid: 1000}, "", "belongs to another user"},
		"instance of another supervisor": {machine{own: "/system.slice/x.service/instance-dev", first: "/init.scope", mounts: unified,
			groups: []string{unit, unit + "/instance-dev"}, marked: unit}, "", "nobody marked it"},
		"handed to a user by hand": {machine{own: "/claw", first: "/init.scope", mounts: unified, groups: []string{"/sys/fs/cgroup/claw"}, uid: 1000,
			owners: map[string]int{"/sys/fs/cgroup/claw": 1000}}, "/sys/fs/cgroup/claw", ""},
		"handed over, entered": {machine{own: "/claw/supervisor", first: "/init.scope", mounts: unified, uid: 1000,
			groups: []string{"/sys/fs/cgroup/claw", "/sys/fs/cgroup/claw/supervisor"},
			owners: map[string]int{"/sys/fs/cgroup/claw": 1000, "/sys/fs/cgroup/claw/supervisor": 1000}}, "/sys/fs/cgroup/claw", ""},
		"container":          {machine{own: "/", first: "/", mounts: unified, groups: []string{"/sys/fs/cgroup"}}, "/sys/fs/cgroup", ""},
		"container, entered": {machine{own: "/supervisor", first: "/supervisor", mounts: unified, groups: []string{"/sys/fs/cgroup", "/sys/fs/cgroup/supervisor"}}, "/sys/fs/cgroup", ""},
		"container that shares the host's names": {machine{own: "/docker/1", first: "/docker/1", mounts: "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			groups: []string{"/sys/fs/cgroup"}}, "/sys/fs/cgroup", ""},
		"container, read-only": {machine{own: "/", first: "/", mounts: strings.Replace(unified, "rw,nosuid", "ro,nosuid", 1), groups: []string{"/sys/fs/cgroup"}}, "", "mounted read-only"},
		"container that refuses writes": {machine{own: "/", first: "/", mounts: unified, groups: []string{"/sys/fs/cgroup"},
			readOnly: "/sys/fs/cgroup/cgroup.procs"}, "", "cannot be written to"},
		"container with systemd":   {machine{own: "/", first: "/init.scope", mounts: unified, groups: []string{"/sys/fs/cgroup"}}, "", "first process is elsewhere"},
		"bare namespace on a host": {machine{own: "/", first: "/../../init.scope", mounts: unified, groups: []string{"/sys/fs/cgroup"}}, "", "first process is elsewhere"},
		"namespace, old mount":     {machine{own: "/", first: "/", mounts: strings.Replace(unified, " / /sys", " /../.. /sys", 1)}, "", "below no mounted tree"},
		"top of the machine":       {machine{own: "/", first: "/", mounts: unified, groups: []string{"/sys/fs/cgroup"}, top: "/sys/fs/cgroup"}, "", "top of the whole machine"},
		"version 1 only":           {machine{own: "/", first: "/", mounts: "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"}, "", "no tree of control groups"},
		"called supervisor by chance": {machine{own: "/supervisor", first: "/init.scope", mounts: unified, uid: 1000,
			groups: []string{"/sys/fs/cgroup", "/sys/fs/cgroup/supervisor"}, owners: map[string]int{"/sys/fs/cgroup/supervisor": 1000}}, "/sys/fs/cgroup/supervisor", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.detect(t)
			if got != tc.want {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
			if tc.why != "" && (err == nil || !strings.Contains(err.Error(), tc.why)) {
				t.Errorf("the error is %v, want one that says %q", err, tc.why)
			}
		})
	}
}

// TestFakeLeaf reads what the kernel would write, the memory controller included,
// which the machine that runs the tests may not have.
func TestFakeLeaf(t *testing.T) {
	t.Parallel()
	l := &Leaf{dir: t.TempDir()}
	if _, err := l.Events(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without the controller: %v", err)
	}
	if _, err := l.MemoryCurrent(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without the controller: %v", err)
	}
	for file, text := range map[string]string{
		"memory.events":  "low 0\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 0\n",
		"memory.current": "4096\n", "memory.max": "max\n", "pids.max": "max\n", "cgroup.events": "populated 1\nfrozen 0\n",
	} {
		if err := os.WriteFile(filepath.Join(l.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := l.Events(); err != nil || got != (Events{2, 3, 4, 5}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := l.MemoryCurrent(); err != nil || got != 4096 {
		t.Errorf("got %d, %v", got, err)
	}
	if got, err := l.Populated(); err != nil || !got {
		t.Errorf("populated: %v, %v", got, err)
	}
	applied, err := l.SetLimits(Limits{MemoryHigh: 1000, MemoryMax: 2000})
	if err != nil || applied != (Applied{MemoryMax: true}) { // no memory.high here, and no limit on pids wanted
		t.Errorf("got %+v, %v", applied, err)
	}
	if text, _ := os.ReadFile(filepath.Join(l.dir, "memory.max")); !strings.HasPrefix(string(text), "2000") {
		t.Errorf("memory.max is %q", text)
	}
}
