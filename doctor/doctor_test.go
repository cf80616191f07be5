package doctor

import (
	"errors"
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
	spec := servicegen.ForProfile(p, servicegen.SpecOptions{Format: servicegen.FormatSystemd, Exe: "/opt/coderclaw", RegistryPath: "/r.toml", Version: "1"})
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
	wants := filepath.Join(filepath.Dir(g.Unit.Path), "default.target.wants")
	if err := errors.Join(os.Mkdir(wants, 0o755), os.Symlink(g.Unit.Path, filepath.Join(wants, g.Unit.Name))); err != nil {
		t.Fatal(err)
	}
	o := Observation{StateDirUID: os.Getuid(), Disk: servicegen.Observe(servicegen.FormatSystemd, g.Unit.Path)}
	observeConfig(t.Context(), g, &o)
	view, err := o.Disk.View(servicegen.FormatSystemd, g.Unit.Scope, false)
	if err != nil {
		t.Fatal(err)
	}
	o.State = servicegen.State{LoadState: servicegen.LoadLoaded, ActiveState: "active", SubState: "running", UnitFileState: "enabled",
		MainPID: 7, Exec: g.Spec.Exec, View: view}
	o.Process = &proctable.Process{PID: 7, Exe: "/opt/coderclaw", Argv: g.Spec.Exec}
	o.Supervisor = &control.Status{Instances: []control.Instance{{Profile: "dev", State: instance.Ready}}}
	return o
}

func codes(found []Finding) []Code {
	var out []Code
	for _, f := range found {
		out = append(out, f.Code)
	}
	return out
}

func TestExamine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Target, *Observation)
		want   []Code
	}{
		"healthy": {func(*Target, *Observation) {}, nil},
		"never installed": {func(_ *Target, o *Observation) {
			o.Disk.State = servicegen.FileMissing
			o.State = servicegen.State{LoadState: servicegen.LoadNotFound}
			o.Process, o.Supervisor = nil, nil
		}, []Code{NotInstalled}},
		"deleted":   {func(_ *Target, o *Observation) { o.Disk.State = servicegen.FileMissing }, []Code{UnitDeleted}},
		"directory": {func(_ *Target, o *Observation) { o.Disk.State = servicegen.FileDirectory }, []Code{UnitNotFile}},
		"foreign":   {func(_ *Target, o *Observation) { o.Disk.Raw = []byte("[Service]\nExecStart=/bin/x\n") }, []Code{UnitForeign}},
		"disabled":  {func(_ *Target, o *Observation) { o.State.UnitFileState = "disabled" }, []Code{UnitDisabled}},
		"link gone": {func(_ *Target, o *Observation) { o.Disk.Targets = []string{"graphical-session.target"} }, []Code{UnitDisabled}},
		"stale":     {func(_ *Target, o *Observation) { o.State.NeedReload = true }, []Code{UnitStale}},
		"failed": {func(_ *Target, o *Observation) {
			o.State.ActiveState, o.State.MainPID, o.Process, o.Supervisor = "failed", 0, nil, nil
		}, []Code{UnitFailed}},
		"stopped": {func(_ *Target, o *Observation) {
			o.State.ActiveState, o.State.MainPID, o.Process, o.Supervisor = "inactive", 0, nil, nil
		}, []Code{UnitStopped}},
		"stopped as asked": {func(_ *Target, o *Observation) {
			o.State.ActiveState, o.State.MainPID, o.Process, o.Supervisor, o.Wish = "inactive", 0, nil, nil, control.WantStopped
		}, nil},
		"old process":   {func(_ *Target, o *Observation) { o.Process.Argv = []string{"sleep", "9"} }, []Code{UnitOldProcess}},
		"old binary":    {func(_ *Target, o *Observation) { o.Process.ExeDeleted = true }, []Code{BinaryReplaced}},
		"blocked":       {func(_ *Target, o *Observation) { o.Supervisor.Instances[0].State = instance.Blocked }, []Code{InstanceDown}},
		"no manager":    {func(_ *Target, o *Observation) { o.StateErr = servicegen.ErrNoBus }, []Code{ManagerGone}},
		"stranger":      {func(_ *Target, o *Observation) { o.Supervisor, o.Listeners = nil, []proctable.Listener{{PID: 1}} }, []Code{PortHeld}},
		"foreign state": {func(_ *Target, o *Observation) { o.StateDirUID = os.Getuid() + 1 }, []Code{StateDirOwner}},
		"no config":     {func(_ *Target, o *Observation) { o.ConfigFile = nil }, []Code{ConfigMissing}},
	} {
		g := target(t)
		o := healthy(t, g)
		tc.change(&g, &o)
		if got := codes(Examine(g, o)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: found %v, want %v", name, got, tc.want)
		}
	}
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
	o := Observation{StateDirUID: os.Getuid(), Disk: servicegen.OnDisk{State: servicegen.FileMissing}, State: servicegen.State{LoadState: servicegen.LoadNotFound}}
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

func TestEveryCodeIsInTheReference(t *testing.T) {
	t.Parallel()
	seen := map[Code]bool{}
	for _, d := range Codes() {
		if seen[d.Code] || d.Meaning == "" || d.Remedy == "" {
			t.Errorf("%s: twice, or without words", d.Code)
		}
		seen[d.Code] = true
	}
}
