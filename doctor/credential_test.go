package doctor

import (
	"os"
	"testing"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// TestAppliedIsKnownOnceKept: in the moment between a gateway being ready and its
// config being kept, the last good one is that of the gateway before, and says nothing.
func TestAppliedIsKnownOnceKept(t *testing.T) {
	t.Parallel()
	p := profiles.Profile{Name: "dev", StateDir: t.TempDir()}
	if err := os.WriteFile(p.LastGoodFile(), []byte(`{"gateway": {"auth": {"mode": "token", "token": "older"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	g := Target{Profile: p, Profiles: registry(t, "")}
	for _, kept := range []bool{false, true} {
		o := Observation{Supervisor: &control.Status{Instances: []control.Instance{
			{Profile: "other", State: instance.Ready, Kept: true},
			{Profile: p.Name, State: instance.Ready, Kept: kept},
		}}}
		observeApplied(g, &o)
		if got := o.Applied != nil && o.Applied.Token == "older"; got != kept {
			t.Errorf("kept %v: %+v", kept, o.Applied)
		}
	}
}
