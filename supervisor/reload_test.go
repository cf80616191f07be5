//go:build unix

package supervisor

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// TestReload: a reload touches what has changed and nothing else, and refuses no
// client of what it replaces. One that fails changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "a", "b", "c", "d")
	var mu sync.Mutex
	want, broken := ps[:3], error(nil)
	set := func(list []profiles.Profile, err error) {
		mu.Lock()
		defer mu.Unlock()
		want, broken = list, err
	}
	r := supervise(t, ps[:3], func(o *Options) {
		o.Reload = func() ([]profiles.Profile, []profiles.Profile, error) {
			mu.Lock()
			defer mu.Unlock()
			return want, ps, broken
		}
	})
	pids := func() map[string]int {
		out := map[string]int{}
		for _, i := range r.allReady().Instances {
			out[i.Profile] = i.PID
		}
		return out
	}
	before := pids()
	if plan, err := r.client.Reload(t.Context(), false); err != nil || len(plan.Kept) != 3 || len(plan.Added)+len(plan.Changed)+len(plan.Removed) != 0 {
		t.Errorf("%+v, %v", plan, err)
	}
	set(nil, errors.New("line 3 is wrong"))
	if _, err := r.client.Reload(t.Context(), false); err == nil || err.Error() != "nothing was changed: line 3 is wrong" {
		t.Errorf("got %v", err)
	}

	changed := ps[1]
	changed.Drain = 7 * time.Second
	set([]profiles.Profile{ps[0], changed, ps[3]}, nil)
	if plan, err := r.client.Reload(t.Context(), true); err != nil || !slices.Equal(plan.Changed, []string{"b"}) || !slices.Equal(plan.Added, []string{"d"}) || !slices.Equal(plan.Removed, []string{"c"}) {
		t.Errorf("%+v, %v", plan, err)
	}
	if after := pids(); after["b"] != before["b"] {
		t.Error("a dry run has changed something")
	}
	c := startClients(t, changed.Port, 4)
	c.served(t)
	if _, err := r.client.Reload(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	after := pids()
	c.served(t)
	c.end()
	if c.refused.Load() != 0 || c.broken.Load() != 0 {
		t.Errorf("of %d questions %d were refused and %d broken", c.asked.Load(), c.refused.Load(), c.broken.Load())
	}
	if after["a"] != before["a"] || after["b"] == before["b"] || after["c"] != 0 || after["d"] == 0 || len(after) != 3 {
		t.Errorf("before %v, after %v", before, after)
	}
	if _, _, err := control.Find(ps[2]); !errors.Is(err, control.ErrNone) {
		t.Errorf("the profile that is gone is still held: %v", err)
	}
	for _, p := range []profiles.Profile{changed, ps[3]} {
		if _, _, err := control.Find(p); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	// What was stopped on purpose stays so.
	if err := r.client.Stop(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	set([]profiles.Profile{ps[0], ps[1], ps[3]}, nil)
	if _, err := r.client.Reload(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	r.until("b stopped", func(s control.Status) bool {
		return s.Instances[1].Profile == "b" && s.Instances[1].State == instance.Stopped
	})
}
