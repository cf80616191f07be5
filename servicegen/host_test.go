package servicegen

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kardianos/service"
)

func lookup(pairs ...string) Lookup {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestNoManagerSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	uid := -1
	if info, err := os.Stat(dir); err == nil {
		uid, _ = ownerOf(info)
	}
	booted := func(string) bool { return true }
	silent := func(string) ([]byte, error) { return nil, os.ErrNotExist }
	for name, tc := range map[string]struct {
		o    HostOptions
		says string
	}{
		"no session":        {HostOptions{UID: uid, Env: lookup("XDG_RUNTIME_DIR", filepath.Join(dir, "gone")), RuntimeRoot: dir, Exists: booted}, "loginctl enable-linger"},
		"no systemd":        {HostOptions{UID: uid, Env: lookup("XDG_RUNTIME_DIR", dir), RuntimeRoot: dir, Exists: func(string) bool { return false }, Read: silent}, "coderclaw supervisor run"},
		"WSL":               {HostOptions{UID: uid, Env: lookup("WSL_DISTRO_NAME", "Debian"), RuntimeRoot: dir, Exists: func(string) bool { return false }, Read: silent}, "/etc/wsl.conf"},
		"another user's":    {HostOptions{UID: uid + 1, Env: lookup("XDG_RUNTIME_DIR", dir), RuntimeRoot: dir, Exists: booted}, "belongs to user id"},
		"no system bus":     {HostOptions{UID: uid, Scope: ScopeSystem, Env: lookup("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+dir+"/none"), Exists: booted}, "use sudo"},
		"no runtime dir":    {HostOptions{UID: 1 << 30, Exists: booted}, "/run/user/1073741824/bus"},
		"another home":      {HostOptions{UID: uid, Env: lookup("HOME", dir), Exists: booted}, "XDG_RUNTIME_DIR=/run/user/"},
		"name for the hint": {HostOptions{UID: 1 << 30, Env: lookup("USER", "ann"), Exists: booted}, "enable-linger ann"},
		"sudo keeps USER":   {HostOptions{UID: 1 << 30, Env: lookup("USER", "root"), Exists: booted}, "enable-linger 1073741824"},
	} {
		if name == "no system bus" {
			// The machine that runs the test may have the private socket that is tried next.
			h := NewSystemd(tc.o)
			if got := h.hint(); !strings.Contains(got, tc.says) {
				t.Errorf("%s: got %q", name, got)
			}
			continue
		}
		_, err := NewSystemd(tc.o).State(t.Context(), Unit{Name: "x.service"})
		if _, ok := errors.AsType[*NoBusError](err); !ok || !errors.Is(err, ErrNoBus) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want %q", name, err, tc.says)
		}
	}
}

// A bus that accepts and says nothing must not hold anyone beyond ctx.
func TestSystemdHonoursContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 1)
		if _, err := c.Read(buf); err == nil { // the client began to authenticate
			cancel()
		}
		for err == nil {
			_, err = c.Read(buf)
		}
	}()
	uid := -1
	if info, err := os.Stat(dir); err == nil {
		uid, _ = ownerOf(info)
	}
	_, err = NewSystemd(HostOptions{UID: uid, Env: lookup("XDG_RUNTIME_DIR", dir), RuntimeRoot: dir}).State(ctx, Unit{Name: "x.service"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	cancel()
	<-accepted
}

// TestStuckManager: whoever only looks does not wait for ever.
func TestStuckManager(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "bus")) // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	uid := -1
	if info, err := os.Stat(dir); err == nil {
		uid, _ = ownerOf(info)
	}
	h := NewSystemd(HostOptions{UID: uid, Env: lookup("XDG_RUNTIME_DIR", dir), RuntimeRoot: dir})
	h.patience = time.Millisecond
	if _, err := h.State(t.Context(), Unit{Name: "x.service"}); !errors.Is(err, errNoAnswer) {
		t.Errorf("got %v", err)
	}
}

func TestNativeHost(t *testing.T) {
	t.Parallel()
	none := func(string) bool { return false }
	for name, tc := range map[string]struct {
		goos  string
		scope Scope
		want  Format
	}{
		"linux":        {"linux", ScopeUser, FormatSystemd},
		"linux system": {"linux", ScopeSystem, FormatSystemd}, // nothing else is detected here
		"darwin":       {"darwin", ScopeUser, FormatLaunchd},
		"windows":      {"windows", ScopeUser, FormatKardianos},
		"freebsd":      {"freebsd", "", FormatKardianos},
	} {
		exists := none
		if tc.goos == "linux" {
			exists = func(string) bool { return true }
		}
		if got := NativeHost(tc.goos, HostOptions{Scope: tc.scope, Exists: exists}).Format(); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}

// fakeSystem is an init system of kardianos/service that records what it is
// asked. It embeds the interface for the calls that nobody makes.
type fakeSystem struct {
	service.Service
	name    string
	there   bool
	config  *service.Config
	status  service.Status
	statErr error
	asked   []string
}

func (f *fakeSystem) String() string    { return f.name }
func (f *fakeSystem) Detect() bool      { return f.there }
func (f *fakeSystem) Interactive() bool { return false }
func (f *fakeSystem) Platform() string  { return f.name }
func (f *fakeSystem) New(_ service.Interface, c *service.Config) (service.Service, error) {
	f.config = c
	return f, nil
}
func (f *fakeSystem) Status() (service.Status, error) { return f.status, f.statErr }
func (f *fakeSystem) Start() error                    { f.asked = append(f.asked, "start"); return nil }
func (f *fakeSystem) Stop() error                     { f.asked = append(f.asked, "stop"); return nil }
func (f *fakeSystem) Restart() error                  { f.asked = append(f.asked, "restart"); return nil }
func (f *fakeSystem) Install() error                  { f.asked = append(f.asked, "install"); return nil }
func (f *fakeSystem) Uninstall() error {
	f.asked = append(f.asked, "uninstall")
	return errors.New("denied")
}

func TestKardianosHost(t *testing.T) {
	t.Parallel()
	spec := ForProfile(profile("rescue"), options(FormatKardianos))
	unit := spec.Unit("")
	for name, tc := range map[string]struct {
		status service.Status
		err    error
		do     func(Host, context.Context, Unit) error
		asked  string
		fails  string
	}{
		"enable":                 {service.StatusUnknown, service.ErrNotInstalled, Host.Enable, "install", ""},
		"enable what is there":   {service.StatusStopped, nil, Host.Enable, "", ""},
		"disable":                {service.StatusStopped, nil, Host.Disable, "uninstall", "uninstall coderclaw-gateway-rescue (openrc): denied"},
		"disable what is not":    {service.StatusUnknown, service.ErrNotInstalled, Host.Disable, "", ""},
		"start":                  {service.StatusStopped, nil, Host.Start, "start", ""},
		"start what runs":        {service.StatusRunning, nil, Host.Start, "", ""},
		"stop":                   {service.StatusRunning, nil, Host.Stop, "stop", ""},
		"stop what is down":      {service.StatusStopped, nil, Host.Stop, "", ""},
		"stop what is not there": {service.StatusUnknown, service.ErrNotInstalled, Host.Stop, "", ""},
		"restart":                {service.StatusRunning, nil, Host.Restart, "restart", ""},
		"restart of one down":    {service.StatusStopped, nil, Host.Restart, "start", ""},
		"reload":                 {service.StatusRunning, nil, Host.Reload, "", ""},
		"reset":                  {service.StatusRunning, nil, Host.ResetFailed, "", ""},
		"state cannot be read":   {service.StatusUnknown, errors.New("denied"), func(h Host, ctx context.Context, u Unit) error { _, err := h.State(ctx, u); return err }, "", "denied"},
		"state of what is not":   {service.StatusUnknown, service.ErrNotInstalled, wantState(LoadNotFound, "inactive"), "", ""},
		"state of what runs":     {service.StatusRunning, nil, wantState(LoadLoaded, "active"), "", ""},
		"state of what is down":  {service.StatusStopped, nil, wantState(LoadLoaded, "inactive"), "", ""},
	} {
		f := &fakeSystem{name: "openrc", there: true, status: tc.status, statErr: tc.err}
		h := NewKardianos(HostOptions{Scope: ScopeSystem})
		h.systems = func() []service.System {
			return []service.System{&fakeSystem{name: "linux-systemd", there: true}, &fakeSystem{name: "upstart"}, f}
		}
		err := tc.do(h, t.Context(), unit)
		if (err == nil) != (tc.fails == "") || (err != nil && !strings.Contains(err.Error(), tc.fails)) {
			t.Errorf("%s: got %v, want %q", name, err, tc.fails)
		}
		if got := strings.Join(f.asked, " "); got != tc.asked {
			t.Errorf("%s: asked %q, want %q", name, got, tc.asked)
		}
		if f.config != nil && (f.config.Executable != spec.Exec[0] || len(f.config.Arguments) != 4 || f.config.EnvVars["CODERCLAW_REGISTRY"] == "") {
			t.Errorf("%s: config %+v", name, f.config)
		}
	}
}

func wantState(load, active string) func(Host, context.Context, Unit) error {
	return func(h Host, ctx context.Context, u Unit) error {
		s, err := h.State(ctx, u)
		if err == nil && (s.LoadState != load || s.ActiveState != active) {
			return errors.New("got " + s.LoadState + " " + s.ActiveState)
		}
		return err
	}
}

func TestKardianosWithoutASystem(t *testing.T) {
	t.Parallel()
	h := NewKardianos(HostOptions{})
	h.systems = func() []service.System { return nil }
	if err := h.Start(t.Context(), Unit{Name: "x"}); err == nil || !strings.Contains(err.Error(), "no service manager found") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Start(ctx, Unit{Name: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	foreignSystem() // the library's real list can be walked
}
