package servicegen

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coderclaw/coderclaw/profiles"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name, or rewrites it under -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got), accept with -update:\n%s", name, d)
	}
}

func profile(name string) profiles.Profile {
	state := "/home/ann/.coderclaw"
	if name != profiles.Default {
		state += "-" + name
	}
	isolation := profiles.IsolationStandard
	if name == "free" {
		isolation = profiles.IsolationOff
	}
	return profiles.Profile{Name: name, Isolation: isolation, Port: 18789, StateDir: state, ConfigPath: state + "/coderclaw.json", Drain: profiles.DefaultDrain}
}

func options(f Format) SpecOptions {
	return SpecOptions{
		Format: f, Exe: "/usr/local/bin/coderclaw", RegistryPath: "/home/ann/.config/coderclaw/profiles.toml", Version: "0.1.0",
	}
}

func TestRenderShapes(t *testing.T) {
	t.Parallel()
	awkward := func(o *SpecOptions) {
		o.Exe = "/opt/my tools/50%/Größe/coderclaw"
		o.RegistryPath = `/home/ann/a "b" $HOME %h \n 'c' <&>/ü.toml`
	}
	for _, tc := range []struct {
		name    string
		profile string
		change  func(*SpecOptions)
	}{
		{"default", profiles.Default, func(*SpecOptions) {}},
		{"rescue", profiles.Rescue, func(*SpecOptions) {}},
		{"home", profiles.Dev, func(o *SpecOptions) { o.Home = "/srv/claws" }},
		{"awkward", profiles.Default, awkward},
		{"shell", profiles.Default, func(o *SpecOptions) { o.Exe = `/opt/it's "50$"\x/coderclaw` }},
		{"system", profiles.Default, func(o *SpecOptions) { o.Scope, o.User = ScopeSystem, "claw" }},
		{"system-awkward", profiles.Default, func(o *SpecOptions) {
			awkward(o)
			o.Scope, o.User, o.Group = ScopeSystem, "claw", "claws"
			o.RegistryPath = `/etc/a "b" $HOME %h \n 'c' <&>/ü.toml`
		}},
		{"root", profiles.Default, func(o *SpecOptions) { o.Scope = ScopeSystem }},
		{"unconfined", "free", func(*SpecOptions) {}},
		{"noversion", profiles.Default, func(o *SpecOptions) { o.Version = "" }},
	} {
		for format, suffix := range map[Format]string{FormatSystemd: ".service", FormatLaunchd: ".plist"} {
			t.Run(tc.name+suffix, func(t *testing.T) {
				t.Parallel()
				o := options(format)
				tc.change(&o)
				s := ForProfile(profile(tc.profile), o)
				text, err := s.Render()
				if err != nil {
					t.Fatal(err)
				}
				golden(t, "render/"+tc.name+suffix, text)
				if got := OriginOf(format, text); got != (Origin{OriginOurs, o.Version}) {
					t.Errorf("origin: got %+v", got)
				}
				if d := cmp.Diff(s, readBack(t, s, text)); d != "" {
					t.Errorf("read back (-want +got):\n%s", d)
				}
			})
		}
	}
}

func TestRenderSockets(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		profile string
		scope   Scope
		listen  []string
	}{
		"default":    {profiles.Default, ScopeUser, []string{"127.0.0.1:18789", "[::1]:18789"}},
		"network":    {profiles.Rescue, ScopeUser, []string{"192.0.2.7:19789", "127.0.0.1:19789"}},
		"everything": {profiles.Default, ScopeSystem, []string{"0.0.0.0:80", "[::]:80"}},
		"zone":       {profiles.Default, ScopeSystem, []string{"[fe80::1%lo]:80"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(FormatSystemd)
			o.Scope = tc.scope
			for _, a := range tc.listen {
				o.Listen = append(o.Listen, netip.MustParseAddrPort(a))
			}
			service, socket := ForProfile(profile(tc.profile), o), SocketFor(profile(tc.profile), o)
			if got := service.Unit("/d").Socket(); got.Name != socket.Name || got.Path != socket.Unit("/d").Path || got.Scope != tc.scope {
				t.Errorf("beside the service lies %+v", got)
			}
			if service.Socket != socket.Name || !socket.Unit("/d").IsSocket() || service.Unit("/d").IsSocket() {
				t.Errorf("the service has %q, the socket is %q", service.Socket, socket.Name)
			}
			for suffix, s := range map[string]Spec{"service": service, "socket": socket} {
				text, err := s.Render()
				if err != nil {
					t.Fatal(err)
				}
				golden(t, "render/socket-"+name+"."+suffix, text)
				if d := cmp.Diff(s, readBack(t, s, text), cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
					t.Errorf("%s read back (-want +got):\n%s", suffix, d)
				}
			}
		})
	}
}

// readBack reads a service file. Scope and profile of a socket are in its place
// and name only.
func readBack(t interface {
	Helper()
	Fatalf(string, ...any)
}, s Spec, text []byte,
) Spec {
	t.Helper()
	back, err := readSpec(s.Format, s.Name, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if s.isSocket() {
		back.Scope, back.Profile = s.Scope, s.Profile
	}
	return back
}

func TestNamesFollowTheInitSystem(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		format  Format
		profile string
		name    string
		path    string
	}{
		{FormatSystemd, "default", "coderclaw-gateway.service", "/d/coderclaw-gateway.service"},
		{FormatSystemd, "rescue", "coderclaw-gateway-rescue.service", "/d/coderclaw-gateway-rescue.service"},
		{FormatLaunchd, "default", "ai.coderclaw.gateway", "/d/ai.coderclaw.gateway.plist"},
		{FormatLaunchd, "rescue", "ai.coderclaw.rescue", "/d/ai.coderclaw.rescue.plist"},
		{FormatKardianos, "rescue", "coderclaw-gateway-rescue", ""},
	} {
		s := ForProfile(profile(tc.profile), options(tc.format))
		if u := s.Unit("/d"); u.Name != tc.name || filepath.ToSlash(u.Path) != tc.path {
			t.Errorf("%s %s: got %q %q, want %q %q", tc.format, tc.profile, u.Name, u.Path, tc.name, tc.path)
		}
	}
}

func TestStopTimeoutFollowsTheDrain(t *testing.T) {
	t.Parallel()
	p := profile("dev")
	p.Drain *= 4
	for _, f := range []Format{FormatSystemd, FormatLaunchd} {
		v, err := ForProfile(p, options(f)).View()
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Values["TimeoutStopSec"] + v.Values["ExitTimeOut"]; strings.TrimSuffix(got, "s") != "135" {
			t.Errorf("%s: got %q, want 135", f, got)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Spec)
		says   string
	}{
		"newline in the program":   {func(s *Spec) { s.Exec[0] = "/opt/a\nb" }, "line break"},
		"newline in a variable":    {func(s *Spec) { s.Env[0].Value = "/a\nExecStartPre=/bin/x" }, "line break"},
		"carriage return":          {func(s *Spec) { s.Exec[0] = "/opt/a\rb" }, "control character"},
		"newline in description":   {func(s *Spec) { s.Description = "a\nb" }, "line break"},
		"continuation":             {func(s *Spec) { s.Description = `a\` }, `nor end with \`},
		"not UTF-8":                {func(s *Spec) { s.Exec[0] = "/opt/\xff" }, "UTF-8"},
		"relative program":         {func(s *Spec) { s.Exec[0] = "coderclaw" }, "not an absolute path"},
		"no program":               {func(s *Spec) { s.Exec = nil }, "not an absolute path"},
		"variable of others":       {func(s *Spec) { s.Env[0].Name = "PATH" }, "CODERCLAW_"},
		"name with a slash":        {func(s *Spec) { s.Name = "../x.service" }, "service name"},
		"name without suffix":      {func(s *Spec) { s.Name = "x" }, ".service"},
		"version breaks a comment": {func(s *Spec) { s.Version = "1--2" }, "version"},
		"user in user scope":       {func(s *Spec) { s.User = "bob" }, "system scope"},
		"no stop time-out":         {func(s *Spec) { s.StopTimeout = 0 }, "stop timeout"},
		"group in user scope":      {func(s *Spec) { s.Group = "bob" }, "system scope"},
		"socket of another kind":   {func(s *Spec) { s.Socket = "x.timer" }, ".socket"},
		"a service that listens":   {func(s *Spec) { s.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")} }, "only a socket unit listens"},
		"a socket that runs":       {func(s *Spec) { s.Name, s.Listen = "x.socket", []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")} }, "runs nothing"},
		"a socket without address": {func(s *Spec) { s.Name = "x.socket" }, "needs an address"},
		"unconfined in system":     {func(s *Spec) { s.Scope, s.Unconfined = ScopeSystem, true }, "without hardening"},
		"writable in user scope":   {func(s *Spec) { s.Writable = []string{"/etc/x"} }, "of the machine"},
		"writable, not clean":      {func(s *Spec) { s.Scope, s.Writable = ScopeSystem, []string{"/etc/../x"} }, "absolute and clean"},
	} {
		s := ForProfile(profile("default"), options(FormatSystemd))
		tc.change(&s)
		_, err := s.Render()
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.says)
		}
	}
}
