package servicegen

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeManager behaves like systemd in what Install and Uninstall depend on: it
// keeps its own copy of the file, and answers from that copy.
type fakeManager struct {
	format Format
	dir    string
	loaded string // text of the unit as loaded
	active bool
	failed bool
	// activating is the sub state of a unit that is about to come up.
	activating string
	asked      []string
	refuse     string  // a verb that fails
	bad        string  // units with this text do not start
	noBus      bool    // nobody answers
	fragment   string  // the file that it was loaded from, "" for the unit's own
	cut        func()  // called when a verb fails
	seen       []error // ctx.Err at each verb

	breakAt int // the verb of this number, from 1, breaks by what; 0: none does
	what    func() error
	after   bool // it has done its work by then
}

// breaks tells whether the verb that was just counted breaks now.
func (m *fakeManager) breaks(after bool) bool {
	return m.breakAt != 0 && len(m.asked) == m.breakAt && m.after == after
}

func (m *fakeManager) Format() Format { return m.format }

func (m *fakeManager) verb(ctx context.Context, name string) error {
	m.asked = append(m.asked, name)
	m.seen = append(m.seen, ctx.Err())
	if m.noBus {
		return &NoBusError{Address: "unix:path=/none", Hint: "log in", Err: os.ErrNotExist}
	}
	if m.breaks(false) {
		return m.what()
	}
	if m.refuse == name {
		if m.cut != nil {
			m.cut()
		}
		return errors.New(name + " refused")
	}
	return nil
}

func (m *fakeManager) link(u Unit) string {
	return filepath.Join(m.dir, cmp.Or(u.Spec.Target(), "default.target")+".wants", u.Name)
}

func (m *fakeManager) Reload(ctx context.Context, u Unit) error {
	if err := m.verb(ctx, "reload"); err != nil {
		return err
	}
	text, _ := os.ReadFile(u.Path)
	m.loaded = string(text)
	return m.end()
}

// end is what a verb that has done its work returns.
func (m *fakeManager) end() error {
	if m.breaks(true) {
		return m.what()
	}
	return nil
}

func (m *fakeManager) Enable(ctx context.Context, u Unit) error {
	if err := m.verb(ctx, "enable"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.link(u)), 0o755); err != nil {
		return err
	}
	if err := removeIfThere(m.link(u)); err != nil {
		return err
	}
	if err := os.Symlink(u.Path, m.link(u)); err != nil {
		return err
	}
	return m.end()
}

func (m *fakeManager) Disable(ctx context.Context, u Unit) error {
	if err := m.verb(ctx, "disable"); err != nil {
		return err
	}
	for _, link := range wantLinks(filepath.Join(m.dir, u.Name)) {
		if err := removeIfThere(link); err != nil {
			return err
		}
	}
	if err := removeIfThere(m.link(u)); err != nil { // of a unit that lies elsewhere
		return err
	}
	return m.end()
}

func (m *fakeManager) Start(ctx context.Context, u Unit) error {
	if err := m.verb(ctx, "start"); err != nil {
		return err
	}
	return m.run(u)
}

func (m *fakeManager) Restart(ctx context.Context, u Unit) error {
	if err := m.verb(ctx, "restart"); err != nil {
		return err
	}
	return m.run(u)
}

func (m *fakeManager) run(u Unit) error {
	m.activating = ""
	m.active = m.loaded != "" && (m.bad == "" || !strings.Contains(m.loaded, m.bad))
	m.failed = !m.active
	if m.failed {
		return &JobError{Unit: u.Name, Verb: "start", Result: "failed"}
	}
	return m.end()
}

func (m *fakeManager) Stop(ctx context.Context, _ Unit) error {
	if err := m.verb(ctx, "stop"); err != nil {
		return err
	}
	m.active = false
	return nil
}

func (m *fakeManager) ResetFailed(ctx context.Context, _ Unit) error {
	if err := m.verb(ctx, "reset"); err != nil {
		return err
	}
	m.failed = false
	return nil
}

func (m *fakeManager) State(ctx context.Context, u Unit) (State, error) {
	if m.noBus {
		return State{}, &NoBusError{Address: "unix:path=/none", Hint: "log in", Err: os.ErrNotExist}
	}
	s := State{LoadState: LoadNotFound, ActiveState: "inactive", SubState: "dead"}
	text, err := os.ReadFile(u.Path)
	if m.loaded == "" && err == nil && len(text) > 0 {
		m.loaded = string(text) // what nobody holds is read when asked for
	}
	if m.loaded != "" {
		s.LoadState, s.FragmentPath, s.UnitFileState = LoadLoaded, cmp.Or(m.fragment, u.Path), "disabled"
		s.NeedReload = m.loaded != string(text)
	}
	if _, err := os.Lstat(m.link(u)); err == nil {
		s.UnitFileState = "enabled"
	}
	switch {
	case m.active:
		s.ActiveState, s.SubState, s.MainPID = "active", "running", 7
	case m.activating != "":
		s.ActiveState, s.SubState = "activating", m.activating
	case m.failed:
		s.ActiveState, s.SubState = "failed", "failed"
	}
	return s, nil
}

func newFake(t *testing.T) (*fakeManager, Unit, Spec) {
	t.Helper()
	m := &fakeManager{format: FormatSystemd, dir: t.TempDir()}
	s := ForProfile(profile("default"), options(FormatSystemd))
	return m, s.Unit(m.dir), s
}

// tree lists every file below dir with its content or link target.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if target, err := os.Readlink(path); err == nil {
			out[name] = "-> " + target
			return nil
		}
		text, err := os.ReadFile(path)
		out[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
