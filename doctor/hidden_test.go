package doctor

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestRemovedSecretsAreHidden: what a repair takes out of a unit is in its journal,
// for undo gives it back, and nobody can read it there.
func TestRemovedSecretsAreHidden(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	text, err := os.ReadFile(m.Unit.Path)
	if err != nil {
		t.Fatal(err)
	}
	planted := bytes.Replace(text, []byte("[Install]"), []byte("Environment=CODERCLAW_GATEWAY_TOKEN="+canary+"\n\n[Install]"), 1)
	if err := os.WriteFile(m.Unit.Path, planted, 0o600); err != nil {
		t.Fatal(err)
	}
	m.applied(t, false)
	if now, err := os.ReadFile(m.Unit.Path); err != nil || bytes.Contains(now, []byte(canary)) {
		t.Fatalf("the secret is still in the unit: %v", err)
	}
	files := 0
	err = filepath.WalkDir(m.Profile.StateDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(canary)) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatal(files, err)
	}
	m.undone(t, "")
	if now, err := os.ReadFile(m.Unit.Path); err != nil || !bytes.Equal(now, planted) {
		t.Errorf("the undo gives back something else: %v\n%s", err, now)
	}
}
