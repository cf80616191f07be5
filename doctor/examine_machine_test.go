package doctor

import (
	"context"
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/coderclaw/coderclaw/servicegen"
)

func machineExams() []exam {
	lingers := func(g servicegen.LingerGrade) func(*testing.T, *Target, *Observation) {
		return func(_ *testing.T, _ *Target, o *Observation) {
			o.Machine = &Machine{Format: servicegen.FormatSystemd, Linger: servicegen.LingerState{User: "ann", Grade: g, Why: "polkit refuses", Command: "sudo loginctl enable-linger ann"}}
		}
	}
	return []exam{
		{"lingering on", lingers(servicegen.LingerOn), nil},
		{"lingering of no matter", lingers(servicegen.LingerNone), nil},
		{"lingering off", lingers(servicegen.LingerRoot), []Code{LingerOff}},
		{"lingering off, and the user may", lingers(servicegen.LingerFree), []Code{LingerOff}},
		{"lingering off without a service", func(t *testing.T, g *Target, o *Observation) {
			lingers(servicegen.LingerRoot)(t, g, o)
			o.Disk.State, o.State, o.Process, o.Supervisor = servicegen.FileMissing, servicegen.State{LoadState: servicegen.LoadNotFound}, nil, nil
		}, []Code{NotInstalled}},
	}
}

func TestObserveMachine(t *testing.T) {
	t.Parallel()
	r := registry(t, "")
	p, err := r.Get("dev")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(p.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.ConfigPath, []byte("{gateway: {port: 30000}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	unitIn(t, dir, "moltbot-gateway.service", "[Service]\nExecStart=/x/moltbot gateway\n")
	m := ObserveMachine(t.Context(), MachineOptions{Format: servicegen.FormatSystemd, Host: servicegen.HostOptions{UID: 1000}, Registry: r, Dirs: []UnitDir{{dir, servicegen.ScopeUser}},
		Linger: func(_ context.Context, o servicegen.HostOptions) (servicegen.LingerState, error) {
			return servicegen.LingerState{UID: o.UID, Grade: servicegen.LingerFree}, nil
		}})
	if m.Ports["dev"] != 30000 || m.Ports["default"] != 18789 || len(m.Services) != 1 || m.Services[0].Port != familyPort || m.Linger.UID != 1000 {
		t.Errorf("got %+v", m)
	}
}

func TestDistinct(t *testing.T) {
	t.Parallel()
	found := []Finding{
		{Code: LingerOff, Profile: "a", Key: "ann"}, {Code: DiskLow, Profile: "a", Path: "/a", Key: "device 8:1"}, {Code: UnitStopped, Profile: "a"},
		{Code: LingerOff, Profile: "b", Key: "ann"}, {Code: DiskLow, Profile: "b", Path: "/b", Key: "device 8:1"}, {Code: UnitStopped, Profile: "b"},
		{Code: DiskLow, Profile: "c", Path: "/c", Key: "device 8:2"},
	}
	var got string
	for _, f := range Distinct(found) {
		got += f.Profile + " " + string(f.Code) + "; "
	}
	if want := "a linger-off; a disk-low; a unit-stopped; b unit-stopped; c disk-low; "; got != want {
		t.Errorf("got %s", got)
	}
	if Distinct(nil) == nil {
		t.Error("no findings are no list")
	}
}

// TestLingerIsSwitchedOn where the user may do that, and is left to root elsewhere.
func TestLingerIsSwitchedOn(t *testing.T) {
	t.Parallel()
	for grade, mended := range map[servicegen.LingerGrade]bool{servicegen.LingerFree: true, servicegen.LingerRoot: false} {
		g := target(t)
		asked := 0
		g.Linger = func(context.Context) error { asked++; return nil }
		g.Host = late{g.Host, new(2), nil}
		o := healthy(t, g)
		o.Machine = &Machine{Format: servicegen.FormatSystemd, Linger: servicegen.LingerState{User: "ann", Grade: grade, Command: "sudo loginctl enable-linger ann"}}
		found := Examine(g, o)
		plan, err := MakePlan(g, o, found, PlanOptions{})
		if err != nil || len(found) != 1 || found[0].Repairable != mended || found[0].Reversible || plan.Empty() == mended {
			t.Fatalf("%s: %+v, %+v, %v", grade, found, plan, err)
		}
		for _, s := range plan.Steps {
			for _, a := range s.Actions {
				if err := g.act(t.Context(), a); err != nil {
					t.Error(err)
				}
			}
		}
		if (asked == 1) != mended {
			t.Errorf("%s: asked %d times", grade, asked)
		}
	}
}

// late is a manager that answers at the third question only.
type late struct {
	servicegen.Host
	asked *int
	verbs *[]string
}

func (l late) State(context.Context, servicegen.Unit) (servicegen.State, error) {
	if *l.asked++; *l.asked < 3 {
		return servicegen.State{}, &servicegen.NoBusError{Address: "unix:path=/none", Hint: "log in", Err: os.ErrNotExist}
	}
	return servicegen.State{}, nil
}

func (l late) Start(_ context.Context, u servicegen.Unit) error {
	*l.verbs = append(*l.verbs, "start "+u.Name)
	return nil
}

// TestLingerBringsTheManager: where no manager is there, the one that comes of
// lingering is waited for, and the service with it.
func TestLingerBringsTheManager(t *testing.T) {
	t.Parallel()
	g := target(t)
	o := healthy(t, g)
	_, gone := late{asked: new(0)}.State(t.Context(), g.Unit)
	o.State, o.StateErr, o.Process, o.Supervisor = servicegen.State{}, gone, nil, nil
	o.Machine = &Machine{Format: servicegen.FormatSystemd, Linger: servicegen.LingerState{User: "ann", Grade: servicegen.LingerFree}}
	asked, verbs := 0, []string{}
	g.Host, g.Linger = late{g.Host, &asked, &verbs}, func(context.Context) error { verbs = append(verbs, "linger"); return nil }
	plan, err := MakePlan(g, o, Examine(g, o), PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, s := range plan.Steps {
			for _, a := range s.Actions {
				if err := g.act(t.Context(), a); err != nil {
					t.Error(err)
				}
			}
		}
		if asked != 3 || !slices.Equal(verbs, []string{"linger", "start " + g.Unit.Name}) {
			t.Errorf("after %d questions: %q", asked, verbs)
		}
	})
}
