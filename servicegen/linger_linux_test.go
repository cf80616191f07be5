package servicegen

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godbus/dbus/v5"
)

const propertiesFace = "org.freedesktop.DBus.Properties"

// machine is a logind and a polkit on a bus of their own.
type machine struct {
	logind, polkit bool
	tracked        bool // logind knows the user
	lingers        bool
	allow          bool   // what polkit says
	version        string // of systemd
	refuse         bool   // SetUserLinger fails
	files          []string

	set    atomic.Bool  // SetUserLinger was called with true
	action atomic.Value // what polkit was asked for
}

func (m *machine) options(t *testing.T) HostOptions {
	t.Helper()
	address := startBus(t)
	if m.logind {
		serve(t, address, login1, map[dbus.ObjectPath]map[string]any{
			"/org/freedesktop/login1": {login1 + ".Manager": map[string]any{
				"GetUser": func(uint32) (dbus.ObjectPath, *dbus.Error) {
					if !m.tracked {
						return "", dbus.NewError(login1+".NoSuchUser", nil)
					}
					return "/user", nil
				},
				"SetUserLinger": func(uid uint32, on, interactive bool) *dbus.Error {
					if m.refuse || interactive || int(uid) != os.Geteuid() {
						return dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", []any{"Permission denied"})
					}
					m.set.Store(on)
					return nil
				},
			}},
			"/user": {propertiesFace: values(map[string]any{"Linger": m.lingers})},
		})
	}
	if m.polkit {
		type subject struct {
			Kind    string
			Details map[string]dbus.Variant
		}
		type answer struct {
			Authorized, Challenge bool
			Details               map[string]string
		}
		serve(t, address, "org.freedesktop.PolicyKit1", map[dbus.ObjectPath]map[string]any{
			"/org/freedesktop/PolicyKit1/Authority": {"org.freedesktop.PolicyKit1.Authority": map[string]any{
				"CheckAuthorization": func(s subject, action string, _ map[string]string, flags uint32, _ string) (answer, *dbus.Error) {
					m.action.Store(action)
					if s.Kind != "system-bus-name" || flags != 0 {
						return answer{}, dbus.NewError("org.freedesktop.PolicyKit1.Error.Failed", nil)
					}
					return answer{m.allow, !m.allow, map[string]string{}}, nil
				},
			}},
		})
	}
	if m.version != "" {
		serve(t, address, systemd1, map[dbus.ObjectPath]map[string]any{
			"/org/freedesktop/systemd1": {propertiesFace: values(map[string]any{"Version": m.version})},
		})
	}
	return HostOptions{UID: 4711, Env: lookup("DBUS_SYSTEM_BUS_ADDRESS", address), Exists: func(path string) bool {
		return path == "/run/systemd/system" || strings.Contains(strings.Join(m.files, " "), path)
	}}
}

func TestLinger(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		m       *machine
		grade   LingerGrade
		command string
		why     string
	}{
		"on, says logind":      {&machine{logind: true, tracked: true, lingers: true}, LingerOn, "", "logind"},
		"on, says the file":    {&machine{files: []string{lingerDir + "4711"}}, LingerOn, "", lingerDir},
		"polkit allows":        {&machine{logind: true, tracked: true, polkit: true, allow: true}, LingerFree, "loginctl enable-linger 4711", "allows"},
		"polkit would ask":     {&machine{logind: true, tracked: true, polkit: true}, LingerRoot, "sudo loginctl enable-linger 4711", "refuses"},
		"no polkit":            {&machine{logind: true, tracked: true}, LingerRoot, "sudo loginctl enable-linger 4711", "without polkit"},
		"logged out":           {&machine{logind: true, polkit: true, allow: true}, LingerFree, "loginctl enable-linger 4711", "allows"},
		"no logind on the bus": {&machine{}, LingerRoot, "sudo loginctl enable-linger 4711", "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := tc.m
			s, err := Linger(t.Context(), m.options(t))
			if err != nil || s.Grade != tc.grade || s.Command != tc.command || !strings.Contains(s.Why, tc.why) || s.UID != 4711 || s.User != "4711" {
				t.Errorf("got %+v, %v", s, err)
			}
			if m.set.Load() {
				t.Error("asking changed it")
			}
			if a := m.action.Load(); a != nil && a != login1+".set-user-linger" { // 4711 is somebody else
				t.Errorf("polkit was asked for %v", a)
			}
		})
	}
}

func TestLingerOfOneself(t *testing.T) {
	t.Parallel()
	m := &machine{logind: true, tracked: true, polkit: true, allow: true}
	o := m.options(t)
	o.UID = os.Geteuid()
	s, err := Linger(t.Context(), o)
	if err != nil || s.Grade != LingerFree {
		t.Errorf("got %+v, %v", s, err)
	}
	if a := m.action.Load(); o.UID != 0 && a != login1+".set-self-linger" {
		t.Errorf("polkit was asked for %v", a)
	}
	if err := EnableLinger(t.Context(), o); err != nil || !m.set.Load() {
		t.Errorf("enable: %v, %v", err, m.set.Load())
	}
	m = &machine{logind: true, refuse: true}
	o = m.options(t)
	o.UID = os.Geteuid()
	if err := EnableLinger(t.Context(), o); err == nil || !strings.Contains(err.Error(), "Permission denied") || !strings.Contains(err.Error(), "run: sudo loginctl enable-linger ") {
		t.Errorf("refused: %v", err)
	}
}

func TestLingerWithoutAnybodyToAsk(t *testing.T) {
	t.Parallel()
	gone := lookup("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
	s, err := Linger(t.Context(), HostOptions{UID: 4711, Env: gone, Exists: func(string) bool { return false }})
	if err != nil || s.Grade != LingerNone || s.Off() || s.Command != "" {
		t.Errorf("no systemd: %+v, %v", s, err)
	}
	booted := func(path string) bool { return path == "/run/systemd/system" }
	s, err = Linger(t.Context(), HostOptions{UID: 4711, Env: gone, Exists: booted})
	if err != nil || s.Grade != LingerRoot || !s.Off() || !strings.Contains(s.Why, "cannot be asked") {
		t.Errorf("no bus: %+v, %v", s, err)
	}
	if err := EnableLinger(t.Context(), HostOptions{UID: 4711, Env: gone}); err == nil || !strings.Contains(err.Error(), "sudo loginctl enable-linger 4711") {
		t.Errorf("enable: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Linger(ctx, HostOptions{UID: 4711, Env: gone, Exists: booted}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestLingerBug(t *testing.T) {
	t.Parallel()
	for version, bad := range map[string]bool{
		"": false, "nonsense": false, "252.38-1~deb12u1": false, "254": false, "255.4-1ubuntu8": true, "255": true,
		"256~rc3": true, "256.2": true, "256.3": false, "256.10": false, "257.1": false,
	} {
		if got := lingerBug(version); (got != "") != bad {
			t.Errorf("%q: %q", version, got)
		}
	}
	m := &machine{logind: true, tracked: true, lingers: true, version: "255.4-1ubuntu8"}
	s, err := Linger(t.Context(), m.options(t))
	if err != nil || s.Grade != LingerOn || !strings.Contains(s.Warning, "256.3") {
		t.Errorf("got %+v, %v", s, err)
	}
}
