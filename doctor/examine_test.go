package doctor

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// exam is one way in which a healthy profile is changed, and what is found then.
type exam struct {
	name   string
	change func(*testing.T, *Target, *Observation)
	want   []Code
}

// exams are the tables of all subjects.
func exams() []exam {
	return slices.Concat(unitExams(), dropInExams(), programExams(), runningExams(), configExams(), fileExams(), secretExams(), portExams(), serviceExams(), machineExams())
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
	if found := Examine(target(t), healthy(t, target(t))); len(found) != 0 {
		t.Errorf("of a healthy profile is found %+v", found)
	}
	for _, x := range exams() {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			g := target(t)
			o := healthy(t, g)
			x.change(t, &g, &o)
			found := Examine(g, o)
			if got := codes(found); !slices.Equal(got, x.want) {
				t.Errorf("found %v, want %v", got, x.want)
			}
			for _, f := range found {
				checkFinding(t, f, o)
			}
		})
	}
}

// checkFinding holds for every finding, whatever it is about.
func checkFinding(t *testing.T, f Finding, o Observation) {
	t.Helper()
	if f.Message == "" || f.Fix == "" || f.View == "" || f.Profile != "dev" || f.Severity == "" {
		t.Errorf("it lacks something: %+v", f)
	}
	if f.Aggressive && (!f.Repairable || !strings.Contains(f.Fix, "--force")) || f.Reversible && !f.Repairable {
		t.Errorf("how it is mended contradicts itself: %+v", f)
	}
	for _, verb := range []string{"doctor", "setup", "gateway", "logs", "crashes"} {
		if strings.Contains(f.Fix, "coderclaw "+verb) {
			t.Errorf("the fix is for another profile: %s", f.Fix)
		}
	}
	secrets := []string{canary}
	if o.Config != nil {
		secrets = append(secrets, o.Config.Config.Gateway.Auth.Token)
	}
	for _, text := range []string{f.Path, f.Key, f.Have, f.Want, f.Message, f.Fix} {
		for _, s := range secrets {
			if s != "" && strings.Contains(text, s) {
				t.Errorf("it holds a secret: %+v", f)
			}
		}
	}
}

// canary is a secret that stands in observations and must not be in findings.
const canary = "canary-9f8e7d6c5b4a"

// TestEveryCodeIsProduced holds the reference against the tables.
func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	produced := map[Code]bool{}
	for _, x := range exams() {
		for _, c := range x.want {
			produced[c] = true
		}
	}
	seen := map[Code]bool{}
	for _, d := range Codes() {
		if seen[d.Code] || d.Meaning == "" || d.Remedy == "" || d.Evidence == "" || d.Mending == "" || d.Severity == "" {
			t.Errorf("%s: twice, or without words", d.Code)
		}
		seen[d.Code] = true
		if !produced[d.Code] {
			t.Errorf("%s: no test produces it", d.Code)
		}
		delete(produced, d.Code)
	}
	for c := range produced {
		t.Errorf("%s: it is not in the reference", c)
	}
}

// disk has the unit file say something else.
func disk(t *testing.T, g *Target, o *Observation, old, text string) {
	t.Helper()
	next := strings.Replace(string(o.Disk.Raw), old, text, 1)
	if next == string(o.Disk.Raw) {
		t.Fatalf("the unit lacks %q:\n%s", old, next)
	}
	if err := os.WriteFile(g.Unit.Path, []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	targets := o.Disk.Targets
	o.Disk = servicegen.Observe(servicegen.FormatSystemd, g.Unit.Path)
	o.Disk.Targets = targets
	load(t, g, o)
}

// load has the manager hold what the disk says.
func load(t *testing.T, g *Target, o *Observation) {
	t.Helper()
	e := examiner{t: *g, o: *o}
	view, err := e.effective()
	if err != nil {
		return
	}
	o.State.View = view
	if words, err := servicegen.Words(view.Values["ExecStart"]); err == nil {
		o.State.Exec = words
		o.Process = &proctable.Process{PID: o.State.MainPID, Exe: words[0], Argv: words}
	}
}

// reconfigure has the config say something else.
func reconfigure(t *testing.T, g *Target, o *Observation, text string) {
	t.Helper()
	if err := os.WriteFile(g.Profile.ConfigPath, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Check = config.Check{}
	observeConfig(t.Context(), *g, o)
}

// registry is one with the built-in profiles and what text adds.
func registry(t *testing.T, text string) *profiles.Registry {
	t.Helper()
	dir := t.TempDir()
	path := dir + "/profiles.toml"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := profiles.Load(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFixesOfTheMachine: what belongs to the machine is mended by root, for the user
// as whom it runs, and never with a user's manager.
func TestFixesOfTheMachine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		old, text string
		dropIn    string
		want      string
	}{
		{"Restart=on-failure", "Restart=no", "", "run: sudo coderclaw --profile dev doctor --system --repair"},
		{"", "", "TimeoutStopSec=1", "run: sudo coderclaw --profile dev doctor --system --repair --force"},
		{"", "", "RuntimeMaxSec=1", "remove RuntimeMaxSec from /etc/systemd/system/x.service.d/a.conf, then run: sudo systemctl daemon-reload"},
	} {
		g := target(t)
		g.Unit.Scope, g.Spec.Scope, g.Spec.User = servicegen.ScopeSystem, servicegen.ScopeSystem, "ann"
		o := healthy(t, g)
		o.Owner = os.Getuid()
		o.Disk.Targets = []string{"multi-user.target"}
		if tc.old != "" {
			disk(t, &g, &o, tc.old, tc.text)
		}
		if tc.dropIn != "" {
			o.DropIns = []servicegen.DropIn{{Path: "/etc/systemd/system/x.service.d/a.conf", Raw: []byte("[Service]\n" + tc.dropIn + "\n")}}
			load(t, &g, &o)
		}
		if found := Examine(g, o); len(found) != 1 || found[0].Fix != tc.want {
			t.Errorf("found %+v, want %s", found, tc.want)
		}
	}
}
