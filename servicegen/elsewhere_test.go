package servicegen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUnitFromElsewhere: a service of the same name that the manager has from
// another directory is neither stopped, disabled nor replaced.
func TestUnitFromElsewhere(t *testing.T) {
	t.Parallel()
	m, u, s := newFake(t)
	text, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	m.fragment, m.loaded, m.active = filepath.Join(t.TempDir(), u.Name), string(text), true
	write(t, m.fragment, string(text))
	if _, err := Install(t.Context(), m, u, s, InstallOptions{}); err == nil || !strings.Contains(err.Error(), m.fragment) {
		t.Errorf("install: %v", err)
	}
	if left := tree(t, m.dir); len(left) > 0 {
		t.Errorf("install leaves %v", left)
	}
	r, err := Uninstall(t.Context(), m, u, UninstallOptions{})
	if want := (UninstallReport{Path: u.Path, Elsewhere: m.fragment}); err != nil || !cmp.Equal(want, r) {
		t.Errorf("uninstall: %+v, %v", r, err)
	}
	write(t, u.Path, string(text))
	if r, err = Uninstall(t.Context(), m, u, UninstallOptions{}); err != nil || !r.Removed || r.Stopped {
		t.Errorf("uninstall of a file that nobody has loaded: %+v, %v", r, err)
	}
	if len(m.asked) > 0 {
		t.Errorf("the manager was asked to %v", m.asked)
	}
}

// TestElsewhereBehindALink: the manager names either end of a link.
func TestElsewhereBehindALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	u := Unit{Name: "x.service", Path: filepath.Join(dir, "x.service"), Spec: Spec{Format: FormatSystemd}}
	far := filepath.Join(dir, "far", "x.service")
	if err := os.Symlink(filepath.Join("far", "x.service"), u.Path); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"", u.Path, far} {
		if got := (State{LoadState: LoadLoaded, FragmentPath: from}).Elsewhere(u); got != "" {
			t.Errorf("%q is taken for elsewhere, %q", from, got)
		}
	}
	if got := (State{LoadState: LoadLoaded, FragmentPath: "/usr/lib/x.service"}).Elsewhere(u); got == "" {
		t.Error("another file is taken for the unit's")
	}
}

// TestUninstallBesideAnEditor: what somebody puts in the place of the file while
// the service is being stopped is not removed.
func TestUninstallBesideAnEditor(t *testing.T) {
	t.Parallel()
	m, u, s := newFake(t)
	if _, err := Install(t.Context(), m, u, s, InstallOptions{}); err != nil {
		t.Fatal(err)
	}
	const theirs = "[Service]\nExecStart=/bin/true\n"
	m.asked, m.breakAt = nil, 1
	m.what = func() error { return os.WriteFile(u.Path, []byte(theirs), 0o600) }
	if _, err := Uninstall(t.Context(), m, u, UninstallOptions{}); err == nil || !strings.Contains(err.Error(), "somebody else has just changed") {
		t.Errorf("uninstall: %v", err)
	}
	if text, err := os.ReadFile(u.Path); string(text) != theirs {
		t.Errorf("left %q, %v", text, err)
	}
	if d := cmp.Diff(map[string]string{u.Name: theirs}, tree(t, m.dir)); d != "" {
		t.Error(d)
	}
}
