package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// deaf is a manager that nobody can reach.
func deaf(t *testing.T) servicegen.Host {
	t.Helper()
	dir := t.TempDir()
	return servicegen.NewSystemd(servicegen.HostOptions{Scope: servicegen.ScopeUser, UID: os.Getuid(), Env: func(name string) (string, bool) { return dir, name == "XDG_RUNTIME_DIR" }})
}

// onDisk is a profile of a registry whose service is installed and whose manager
// cannot be asked, on a real disk.
func onDisk(t *testing.T) Target {
	t.Helper()
	r := registry(t, "")
	p, err := r.Get("dev")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Setup(t.Context(), p, config.SetupOptions{}); err != nil {
		t.Fatal(err)
	}
	home := r.Home()
	program := filepath.Join(home, "bin", "coderclaw")
	writeFile(t, program, "#!/bin/sh\n", 0o755)
	spec := servicegen.ForProfile(p, servicegen.SpecOptions{Format: servicegen.FormatSystemd, Exe: program, RegistryPath: r.Path(), Version: "1"})
	g := Target{Profile: p, Host: deaf(t), Unit: spec.Unit(filepath.Join(home, "units")), Spec: spec, Profiles: r,
		Env: func(name string) (string, bool) { return home, name == "HOME" }}
	text, err := spec.Render()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, g.Unit.Path, string(text), 0o600)
	wants := filepath.Join(home, "units", "default.target.wants")
	if err := os.Mkdir(wants, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(g.Unit.Path, filepath.Join(wants, g.Unit.Name)); err != nil {
		t.Fatal(err)
	}
	return g
}

func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // past the umask
		t.Fatal(err)
	}
}

// found looks at the real disk. What every machine of a test has, a temporary
// directory and no manager, is left out.
func found(t *testing.T, g Target) []Finding {
	t.Helper()
	out := Examine(g, Observe(t.Context(), g))
	for _, f := range out {
		checkFinding(t, f, Observation{})
	}
	return slices.DeleteFunc(out, func(f Finding) bool {
		return slices.Contains([]Code{ManagerGone, BinaryTemporary, DiskTight, DiskLow, PortHeld}, f.Code)
	})
}

// TestObserve breaks files of a temporary home, and looks at the real ones.
func TestObserve(t *testing.T) {
	t.Parallel()
	state := func(parts ...string) func(p profiles.Profile) string {
		return func(p profiles.Profile) string { return filepath.Join(append([]string{p.StateDir}, parts...)...) }
	}
	put := func(path func(profiles.Profile) string, text string, mode os.FileMode) func(*testing.T, Target) {
		return func(t *testing.T, g Target) { writeFile(t, path(g.Profile), text, mode) }
	}
	dir := func(path func(profiles.Profile) string, mode os.FileMode) func(*testing.T, Target) {
		return func(t *testing.T, g Target) {
			if err := os.MkdirAll(path(g.Profile), 0o700); err != nil {
				t.Fatal(err)
			}
			chmodPath(t, path(g.Profile), mode)
		}
	}
	unit := func(old, text string) func(*testing.T, Target) {
		return func(t *testing.T, g Target) {
			raw, err := os.ReadFile(g.Unit.Path)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, g.Unit.Path, strings.Replace(string(raw), old, text, 1), 0o600)
		}
	}
	for name, tc := range map[string]struct {
		do   func(*testing.T, Target)
		want []Code
	}{
		"nothing":             {func(*testing.T, Target) {}, nil},
		".env open":           {put(state(".env"), "A=1\n", 0o644), []Code{EnvFileMode}},
		".env twice":          {put(state(".env"), "A=1\nA=2\n", 0o600), []Code{EnvFileTwice}},
		".env with the token": {put(state(".env"), "CODERCLAW_GATEWAY_TOKEN="+canary+"\n", 0o600), []Code{EnvFileToken}},
		".env is a directory": {dir(state(".env"), 0o700), []Code{ConfigInvalid, NotRegular}},
		"identity open":       {put(state("identity", "device.json"), "{}", 0o644), []Code{SecretMode}},
		"devices open":        {dir(state("devices"), 0o755), []Code{SecretMode}},
		"devices damaged":     {put(state("devices", "paired.json"), "[", 0o600), []Code{DevicesDamaged}},
		"logs open":           {dir(state("logs"), 0o755), []Code{LogMode}},
		"log dir is a file": {func(t *testing.T, g Target) {
			if err := os.RemoveAll(g.Profile.LogDir()); err != nil {
				t.Fatal(err)
			}
			writeFile(t, g.Profile.LogDir(), "", 0o600)
		}, []Code{LogUnwritable}},
		"lock is a directory": {dir(state("supervisor.lock"), 0o700), []Code{NotRegular}},
		"wish is a directory": {dir(state("desired"), 0o700), []Code{NotRegular}},
		"workspace gone": {func(t *testing.T, g Target) {
			if err := os.RemoveAll(g.Profile.Workspace); err != nil {
				t.Fatal(err)
			}
		}, []Code{WorkspaceMissing}},
		"registry open": {func(t *testing.T, g Target) { chmodPath(t, g.Profiles.Path(), 0o666) }, []Code{RegistryMode}},
		"file from the future": {func(t *testing.T, g Target) {
			when := time.Now().Add(time.Hour)
			if err := os.Chtimes(g.Profile.ConfigPath, when, when); err != nil {
				t.Fatal(err)
			}
		}, []Code{ClockSkew}},
		"port of rescue": {func(t *testing.T, g Target) {
			writeFile(t, g.Profile.ConfigPath, `{gateway: {mode: "local", port: 19789, auth: {mode: "token", token: "`+canary+`"}}}`, 0o600)
		}, []Code{PortClash}},
		"unit open": {func(t *testing.T, g Target) { chmodPath(t, g.Unit.Path, 0o666) }, []Code{UnitMode}},
		"unit of Windows": {func(t *testing.T, g Target) {
			raw, err := os.ReadFile(g.Unit.Path)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, g.Unit.Path, strings.ReplaceAll(string(raw), "\n", "\r\n"), 0o600)
		}, []Code{UnitBytes}},
		"program gone":          {unit("/bin/coderclaw", "/gone/coderclaw"), []Code{BinaryMissing}},
		"program is no program": {func(t *testing.T, g Target) { chmodPath(t, g.Spec.Exec[0], 0o600) }, []Code{BinaryMissing}},
		"token in the unit":     {unit("Environment=", "Environment=CODERCLAW_GATEWAY_TOKEN="+canary+" "), []Code{UnitSecret}},
		"drop-in": {func(t *testing.T, g Target) {
			writeFile(t, filepath.Join(g.Unit.Path+".d", "a.conf"), "[Service]\nTimeoutStopSec=1\n", 0o600)
		}, []Code{UnitStopClock}},
		"unit is a loop": {func(t *testing.T, g Target) {
			if err := os.Remove(g.Unit.Path); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(g.Unit.Path, g.Unit.Path); err != nil {
				t.Fatal(err)
			}
		}, []Code{UnitDangling}},
		"unit is a directory": {func(t *testing.T, g Target) {
			if err := os.Remove(g.Unit.Path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(g.Unit.Path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []Code{UnitNotFile}},
		"disabled": {func(t *testing.T, g Target) {
			if err := os.RemoveAll(filepath.Join(filepath.Dir(g.Unit.Path), "default.target.wants")); err != nil {
				t.Fatal(err)
			}
		}, []Code{UnitDisabled}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := onDisk(t)
			tc.do(t, g)
			if got := codes(found(t, g)); !slices.Equal(got, tc.want) {
				t.Errorf("found %v, want %v", got, tc.want)
			}
		})
	}
}

// TestPermissionsAreClosed mends what is open, and finds it no more.
func TestPermissionsAreClosed(t *testing.T) {
	t.Parallel()
	g := onDisk(t)
	p := g.Profile
	writeFile(t, p.EnvFile(), "A=1\n", 0o666)
	writeFile(t, filepath.Join(p.StateDir, "identity", "device.json"), "{}", 0o640)
	if err := os.MkdirAll(p.LogDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	chmodPath(t, p.LogDir(), 0o755)
	chmodPath(t, g.Profiles.Path(), 0o646)
	chmodPath(t, g.Unit.Path, 0o664)
	o := Observe(t.Context(), g)
	before := Examine(g, o)
	plan, err := MakePlan(g, o, before, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range plan.Steps {
		for _, edit := range s.Edits {
			t.Log(s.What, edit.Path, edit.After)
			if err := os.Chmod(edit.Path, edit.After.Mode.FileMode()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for path, want := range map[string]os.FileMode{
		p.EnvFile(): 0o600, filepath.Join(p.StateDir, "identity", "device.json"): 0o600, p.LogDir(): 0o700, g.Profiles.Path(): 0o644, g.Unit.Path: 0o644,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode().Perm(), err, want)
		}
	}
	if left := found(t, g); len(left) != 0 {
		t.Errorf("left %+v", left)
	}
}
