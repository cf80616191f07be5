//go:build unix

package supervisor

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/profiles"
)

// TestIsolationIsHandedOver: a gateway learns what belongs to the others, also
// to those that another supervisor runs, where hiding the home does not hide it.
func TestIsolationIsHandedOver(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default")
	ps[0].Isolation, ps[0].Allow = profiles.IsolationStandard, []string{"/srv/shared"}
	home := filepath.Dir(ps[0].StateDir)
	inHome := profiles.Profile{Name: "dev", StateDir: filepath.Join(home, "dev"), ConfigPath: filepath.Join(home, "dev", "c"), Workspace: filepath.Join(home, "dev", "w")}
	outside := profiles.Profile{Name: "far", StateDir: "/srv/far", ConfigPath: "/srv/far/c", Workspace: "/srv/shared/w"}
	r := supervise(t, ps, func(o *Options) {
		o.Home, o.RegistryPath, o.Siblings = home, filepath.Join(home, "coderclaw", "profiles.toml"), []profiles.Profile{ps[0], inHome, outside}
	})
	r.allReady()
	var left seen
	note, err := os.ReadFile(filepath.Join(ps[0].StateDir, seenFile))
	if err := errors.Join(err, json.Unmarshal(note, &left)); err != nil {
		t.Fatal(err)
	}
	want := handoff.Isolation{Mode: "standard", Home: home, Allow: []string{"/srv/shared"}, ReadOnly: []string{filepath.Join(home, "coderclaw")},
		Deny: []string{"/srv/far", "/srv/shared/w", "/srv/far/c"}}
	if !reflect.DeepEqual(left.Handoff.Isolation, want) {
		t.Errorf("got  %+v\nwant %+v", left.Handoff.Isolation, want)
	}
}

func TestRegistryPlace(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/h/.config/coderclaw/profiles.toml": "/h/.config/coderclaw", "/srv/profiles.toml": "/srv/profiles.toml"} {
		if got := registryPlace(path); got != want {
			t.Errorf("%s: got %s; want %s", path, got, want)
		}
	}
}
