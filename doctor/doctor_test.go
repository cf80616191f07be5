package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// target is a profile that is set up below a temporary home, on a machine whose
// service manager is never asked.
func target(t *testing.T) Target {
	t.Helper()
	home := t.TempDir()
	p := profiles.Profile{Name: "dev", Port: 19001, StateDir: filepath.Join(home, "s"), ConfigPath: filepath.Join(home, "s", "coderclaw.json"),
		Workspace: filepath.Join(home, "s", "workspace"), Drain: profiles.DefaultDrain}
	if _, err := config.Setup(t.Context(), p, config.SetupOptions{}); err != nil {
		t.Fatal(err)
	}
	spec := servicegen.ForProfile(p, servicegen.SpecOptions{Format: servicegen.FormatSystemd, Exe: "/bin/sh", RegistryPath: "/r.toml", Version: "1"})
	host := servicegen.NewSystemd(servicegen.HostOptions{Scope: servicegen.ScopeUser, UID: os.Getuid(), Env: func(string) (string, bool) { return "", false }})
	return Target{Profile: p, Host: host, Unit: spec.Unit(home), Spec: spec, Env: func(string) (string, bool) { return "", false },
		KeyFile: filepath.Join(home, "key", "doctor.key")}
}

// healthy is what is seen when nothing is wrong.
func healthy(t *testing.T, g Target) Observation {
	t.Helper()
	text, err := g.Spec.Render()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.Unit.Path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	o := Observation{Now: epoch.AddDate(1, 0, 0), Owner: os.Getuid(), StateDirUID: os.Getuid(), Disk: servicegen.Observe(servicegen.FormatSystemd, g.Unit.Path)}
	o.Disk.Targets = []string{"default.target"}
	observeConfig(t.Context(), g, &o)
	view, err := o.Disk.View(servicegen.FormatSystemd, g.Unit.Scope, false)
	if err != nil {
		t.Fatal(err)
	}
	o.State = servicegen.State{LoadState: servicegen.LoadLoaded, ActiveState: "active", SubState: "running", UnitFileState: "enabled",
		MainPID: 7, Exec: g.Spec.Exec, View: view}
	o.Process = &proctable.Process{PID: 7, Exe: "/bin/sh", Argv: g.Spec.Exec}
	o.Program = ProgramFact{Path: "/bin/sh"}
	o.Supervisor = &control.Status{Supervisor: control.Supervisor{PID: 7, Version: "1", Unit: g.Unit.Name}, Instances: []control.Instance{{Profile: "dev", State: instance.Ready}}}
	return o
}

// TestPermissionsAreMended: what others may read is found, mended, and not found again.
func TestPermissionsAreMended(t *testing.T) {
	t.Parallel()
	g := target(t)
	for path, mode := range map[string]os.FileMode{g.Profile.StateDir: 0o755, g.Profile.ConfigPath: 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	o := Observation{Owner: os.Getuid(), StateDirUID: os.Getuid(), Disk: servicegen.OnDisk{State: servicegen.FileMissing}, State: servicegen.State{LoadState: servicegen.LoadNotFound}}
	observeConfig(t.Context(), g, &o)
	observeForEdits(g, &o)
	before := Examine(g, o)
	if want := []Code{StateDirMode, ConfigMode, NotInstalled}; !slices.Equal(codes(before), want) {
		t.Fatalf("found %v", codes(before))
	}
	plan, err := MakePlan(g, o, before, PlanOptions{})
	if err != nil || len(plan.Steps) != 2 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if out, err := Apply(t.Context(), g, o, plan); err != nil || out.Result != Applied {
		t.Fatalf("%+v, %v", out, err)
	}
	observeConfig(t.Context(), g, &o)
	after := Compare(before, Examine(g, o))
	for _, f := range after {
		if f.Left() {
			t.Errorf("left: %+v", f)
		}
	}
	if plan, err := MakePlan(g, o, Examine(g, o), PlanOptions{}); err != nil || !plan.Empty() {
		t.Errorf("a second plan: %+v, %v", plan, err)
	}
}
