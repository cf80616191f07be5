package servicegen

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	return profiles.Profile{Name: name, Port: 18789, StateDir: state, ConfigPath: state + "/coderclaw.json", Drain: profiles.DefaultDrain}
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
				back, err := readSpec(format, s.Name, text)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(s, back); d != "" {
					t.Errorf("read back (-want +got):\n%s", d)
				}
			})
		}
	}
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
	} {
		s := ForProfile(profile("default"), options(FormatSystemd))
		tc.change(&s)
		_, err := s.Render()
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.says)
		}
	}
}
