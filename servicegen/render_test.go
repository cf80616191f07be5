package servicegen

import (
	"net/netip"
	"strings"
	"testing"
)

// Every target is rendered on any system, with paths of the target's kind.
func TestDefine(t *testing.T) {
	t.Parallel()
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"HOME": "/home/ann"}[name]
		return v, ok
	}
	windows := func(name string) (string, bool) {
		v, ok := map[string]string{"HOME": `C:\Users\ann`}[name]
		return v, ok
	}
	unixOptions := SpecOptions{Exe: "/opt/my tools/coderclaw", RegistryPath: `/home/ann/a "b" %h/ü.toml`, Version: "0.1.0", Home: "/srv/claws"}
	windowsOptions := SpecOptions{Exe: `D:\my tools\coderclaw.exe`, RegistryPath: `C:\Users\ann\coderclaw\profiles.toml`, Version: "0.1.0"}
	for _, target := range Targets() {
		for kind, o := range map[string]SpecOptions{"unix": unixOptions, "windows": windowsOptions} {
			t.Run(string(target)+" of "+kind, func(t *testing.T) {
				t.Parallel()
				p, lookup := profile("rescue"), Lookup(env)
				if kind == "windows" {
					lookup = windows
					p.StateDir, p.ConfigPath = `C:\Users\ann\.coderclaw-rescue`, `C:\Users\ann\.coderclaw-rescue\coderclaw.json`
				}
				if target.Machine() {
					o.User = "claw"
				}
				if target == TargetSystemdSocket {
					o.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:18789")}
				}
				d, err := target.Define(p, o, lookup)
				if err != nil {
					t.Fatal(err)
				}
				golden(t, "define/"+string(target)+"."+kind, []byte(d.Path+"\n"+d.Name+"\n"+d.Text))
			})
		}
	}
	if _, err := Target("upstart").Define(profile("rescue"), unixOptions, env); err == nil || !strings.Contains(err.Error(), "want one of") {
		t.Errorf("an unknown target: %v", err)
	}
	if _, err := TargetSystemdSocket.Define(profile("rescue"), unixOptions, env); err == nil {
		t.Error("a socket without an address is none")
	}
}

func TestNativeTarget(t *testing.T) {
	t.Parallel()
	for goos, want := range map[string]Target{"linux": TargetSystemdUser, "darwin": TargetLaunchAgent, "windows": TargetWindows} {
		if got := NativeTarget(goos); got != want {
			t.Errorf("%s: got %s", goos, got)
		}
	}
	for _, target := range Targets() {
		if target.Meaning() == "" || target.Place() == "" {
			t.Errorf("%s has no meaning or place", target)
		}
	}
}

// Each directive of the table is either set or left out for a reason, in either scope.
func TestDirectivesAreWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, d := range Directives() {
		if seen[d.Name] || (d.System == "") == (d.SystemOut == "") || (d.User == "") == (d.UserOut == "") {
			t.Errorf("%+v", d)
		}
		seen[d.Name] = true
	}
	for _, scope := range []Scope{ScopeUser, ScopeSystem} {
		o := options(FormatSystemd)
		o.Scope = scope
		for _, name := range []string{"default", "free"} {
			for _, c := range ForProfile(profile(name), o).choices() {
				if (len(c.Values) == 0) == (c.Reason == "") && len(c.Values) == 0 || c.String() == "" {
					t.Errorf("%s, %s: %+v", scope, name, c)
				}
			}
		}
	}
}
