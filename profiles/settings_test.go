package profiles_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

func anyPort(int) bool { return true }

func TestSettings(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	path := filepath.Join(home, "r.toml")
	text := "[profiles.a]\nport = 20000\nstate_dir = \"~/s\"\ndrain = \"5s\"\npass_env = [\"A\", \"B\"]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := profiles.Load(path, home)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := r.Settings("a")
	if diff := cmp.Diff(map[string]any{"drain": "5s", "pass_env": []any{"A", "B"}}, settings); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
	if none, err := r.Settings("dev"); len(none) > 0 || err != nil {
		t.Errorf("dev: %v, %v", none, err)
	}
	stop := errors.New("stop")
	var planned profiles.Profile
	o := profiles.CreateOptions{Settings: settings, Bindable: anyPort, Prepare: func(p profiles.Profile) error {
		planned = p
		return stop
	}}
	if _, err := profiles.Create(t.Context(), path, home, "b", o); !errors.Is(err, stop) || planned.StateDir != filepath.Join(home, ".coderclaw-b") {
		t.Errorf("planned %+v, %v", planned, err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != text {
		t.Errorf("the registry was written: %q, %v", after, err)
	}
	o.Prepare = nil
	made, err := profiles.Create(t.Context(), path, home, "b", o)
	if err != nil || made.Drain != 5*time.Second || len(made.PassEnv) != 2 || made.Port == 20000 {
		t.Errorf("made %+v, %v", made, err)
	}
	for _, bad := range []string{`{"port": 1}`, `{"colour": "red"}`, `{"drain": 5}`, `{"drain": null}`, `{"drain": "1h"}`, `{"pass_env": ["CODERCLAW_X"]}`} {
		o.Settings = decodeSettings(t, bad)
		if _, err := profiles.Create(t.Context(), path, home, "c", o); exitcode.Of(err) != exitcode.Usage {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func decodeSettings(t *testing.T, text string) map[string]any {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v map[string]any
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

// FuzzSettings: whatever settings come along, the registry that they are written to can be read.
func FuzzSettings(f *testing.F) {
	f.Add(`{"drain": "5s", "pass_env": ["A"]}`)
	f.Add(`{"x": {"y": [1, 1.5, {"z": true}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		home := t.TempDir()
		path := filepath.Join(home, "r.toml")
		made, err := profiles.Create(t.Context(), path, home, "a", profiles.CreateOptions{Settings: decodeSettings(t, text), Bindable: anyPort})
		if err != nil {
			return
		}
		r, err := profiles.Load(path, home)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Get("a"); err != nil || !cmp.Equal(got, made) {
			t.Errorf("made %+v, read %+v, %v", made, got, err)
		}
	})
}
