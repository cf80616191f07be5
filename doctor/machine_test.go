package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/swapfile"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// manager behaves like systemd in what doctor depends on. It keeps everything in
// files, so that it outlives a process that is killed.
type manager struct{ dir string }

func (m manager) file(name string) string { return filepath.Join(m.dir, name) }

func (m manager) get(name string) string {
	text, _ := os.ReadFile(m.file(name))
	return string(text)
}

func (m manager) put(name, text string) error { return os.WriteFile(m.file(name), []byte(text), 0o600) }

func (m manager) Format() servicegen.Format { return servicegen.FormatSystemd }

func (m manager) Reload(_ context.Context, u servicegen.Unit) error {
	text, _ := os.ReadFile(u.Path)
	in := ""
	drops, _ := filepath.Glob(u.Path + ".d/*.conf")
	for _, d := range drops {
		more, _ := os.ReadFile(d)
		in += string(more)
	}
	return errors.Join(m.put("loaded", string(text)), m.put("drop-ins", in))
}

func (m manager) Enable(context.Context, servicegen.Unit) error { return errors.New("not by us") }

func (m manager) Disable(context.Context, servicegen.Unit) error { return errors.New("not by us") }

func (m manager) Start(ctx context.Context, u servicegen.Unit) error { return m.Restart(ctx, u) }

func (m manager) Restart(_ context.Context, u servicegen.Unit) error {
	loaded := m.get("loaded")
	if loaded == "" || m.get("refuse") != "" && !strings.Contains(loaded, "KillMode=process") {
		return errors.Join(&servicegen.JobError{Unit: u.Name, Verb: "start", Result: "failed"}, m.put("active", "failed"))
	}
	return errors.Join(m.put("active", "active"), m.put("running", loaded))
}

func (m manager) Stop(context.Context, servicegen.Unit) error {
	return errors.Join(m.put("active", "inactive"), m.put("running", ""))
}

func (m manager) ResetFailed(context.Context, servicegen.Unit) error {
	if m.get("active") == "failed" {
		return m.put("active", "inactive")
	}
	return nil
}

func (m manager) State(_ context.Context, u servicegen.Unit) (servicegen.State, error) {
	s := servicegen.State{LoadState: servicegen.LoadNotFound, ActiveState: m.get("active"), SubState: "x", UnitFileState: "disabled"}
	text, _ := os.ReadFile(u.Path)
	if loaded := m.get("loaded"); loaded != "" {
		s.LoadState, s.FragmentPath = servicegen.LoadLoaded, u.Path
		s.NeedReload = string(text) != loaded
		s.DropIns, _ = filepath.Glob(u.Path + ".d/*.conf")
		var more [][]byte
		if in := m.get("drop-ins"); in != "" {
			more = append(more, []byte(in))
		}
		view, err := servicegen.ParseView(servicegen.FormatSystemd, u.Scope, []byte(loaded), more...)
		if err != nil {
			return s, err
		}
		view.Loaded = true
		s.View = view
	}
	if target, err := os.Readlink(u.Path); err == nil && target == os.DevNull {
		s.LoadState = servicegen.LoadMasked
	}
	if links, _ := filepath.Glob(filepath.Join(filepath.Dir(u.Path), "*.wants", u.Name)); len(links) > 0 {
		s.UnitFileState = "enabled"
	}
	return s, nil
}

// machine is a profile that is set up, installed and running below a temporary home.
type machine struct {
	Target
	manager
	home string
}

func machineAt(home string) machine {
	p := profiles.Profile{Name: "dev", Port: 19001, StateDir: filepath.Join(home, "s"), ConfigPath: filepath.Join(home, "s", "coderclaw.json"),
		Workspace: filepath.Join(home, "s", "workspace"), Drain: profiles.DefaultDrain}
	spec := servicegen.ForProfile(p, servicegen.SpecOptions{Format: servicegen.FormatSystemd, Exe: "/bin/sh", RegistryPath: "/r.toml", Version: "1"})
	m := manager{filepath.Join(home, "manager")}
	return machine{home: home, manager: m, Target: Target{Profile: p, Host: m, Spec: spec, Unit: spec.Unit(filepath.Join(home, "units")),
		Env: func(string) (string, bool) { return "", false }, KeyFile: filepath.Join(home, "key", "doctor.key")}}
}

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machineAt(t.TempDir())
	check := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	placed, err := config.Outline(m.Profile, config.SetupOptions{}, strings.Repeat("5eed", 12))
	check(err)
	for _, p := range placed { // without waiting for the disk, as Setup would
		if p.Dir {
			check(os.MkdirAll(p.Path, 0o700))
		} else {
			check(os.MkdirAll(filepath.Dir(p.Path), 0o700), os.WriteFile(p.Path, p.Data, 0o600))
		}
	}
	text, err := m.Spec.Render()
	check(err, os.Mkdir(m.dir, 0o700), os.Mkdir(filepath.Dir(m.Unit.Path), 0o700), os.WriteFile(m.Unit.Path, text, 0o600), os.Mkdir(filepath.Dir(m.wantLink()), 0o700),
		os.Symlink(m.Unit.Path, m.wantLink()), m.Reload(t.Context(), m.Unit), m.Start(t.Context(), m.Unit))
	if found := m.examine(t); len(found) > 0 {
		t.Fatalf("a machine in order: %+v", found)
	}
	return m
}

// examine lists what is found, without what this machine cannot have: a supervisor.
func (m machine) examine(t *testing.T) []Finding {
	return slices.DeleteFunc(Examine(m.Target, Observe(t.Context(), m.Target)), func(f Finding) bool { return f.Severity == Info })
}

// repair is what `doctor --repair` does, but for its words.
func (m machine) repair(ctx context.Context, force bool, h hook) ([]Outcome, error) {
	out, err := recoverAll(ctx, m.Target, h)
	if err != nil {
		return out, err
	}
	o := Observe(ctx, m.Target)
	plan, err := MakePlan(m.Target, o, Examine(m.Target, o), PlanOptions{Force: force})
	if err != nil || plan.Empty() {
		return out, err
	}
	done, err := apply(ctx, m.Target, o, plan, h)
	return append(out, done), err
}

// tree is everything below the home but doctor's own: kinds, permissions, contents
// and links, and with times when it was last written.
func (m machine) tree(t *testing.T, times bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(m.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == "doctor.lock" && !times {
			return nil
		}
		own := path == filepath.Join(m.Profile.StateDir, "doctor") || path == filepath.Dir(m.KeyFile)
		if own && !times && d.IsDir() {
			return filepath.SkipDir
		}
		p, _, err := swapfile.Look(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(m.home, path)
		out[name] = fmt.Sprintf("%s %s %s %s", p.Kind, p.Mode, p.Hash, strings.ReplaceAll(p.Target, m.home, "HOME"))
		switch { // what the manager has in mind is its own business
		case name == filepath.Join("manager", "active"):
			out[name] = strings.Replace(m.get("active"), "failed", "inactive", 1) // nothing can make it fail again
		case strings.HasPrefix(name, "manager"):
			out[name] = ""
		}
		if times {
			out[name] += info.ModTime().String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// differing names what differs between two trees.
func differing(a, b map[string]string) (out []string) {
	for name := range a {
		if a[name] != b[name] {
			out = append(out, fmt.Sprintf("%s: %q and %q", name, a[name], b[name]))
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			out = append(out, fmt.Sprintf("%s: nothing and %q", name, b[name]))
		}
	}
	slices.Sort(out)
	return out
}

// breakage is one way to break a machine, that a repair mends and an undo brings back.
type breakage struct {
	name  string
	code  Code
	force bool
	fresh bool // a secret is made, another one each time
	do    func(m machine) error
}

func rewritten(m machine, from, to string) error {
	text, err := os.ReadFile(m.Unit.Path)
	if err != nil {
		return err
	}
	next := strings.Replace(string(text), from, to, 1)
	if next == string(text) {
		return fmt.Errorf("the unit lacks %q", from)
	}
	return os.WriteFile(m.Unit.Path, []byte(next), 0o600)
}

func breakages() []breakage {
	return []breakage{
		{name: "key", code: UnitKeyDrift, do: func(m machine) error { return rewritten(m, "KillMode=mixed", "# mine\nNice=5\nKillMode=process") }},
		{name: "key, and wide open", code: ConfigMode, do: func(m machine) error {
			return errors.Join(rewritten(m, "KillMode=mixed\n", ""), os.Chmod(m.Unit.Path, 0o664), os.Chmod(m.Profile.ConfigPath, 0o644), os.Chmod(m.Profile.StateDir, 0o2755))
		}},
		{name: "deleted", code: UnitDeleted, do: func(m machine) error { return os.Remove(m.Unit.Path) }},
		{name: "empty", code: UnitEmpty, do: func(m machine) error { return os.Truncate(m.Unit.Path, 0) }},
		{name: "masked", code: UnitMasked, do: func(m machine) error {
			return errors.Join(os.Remove(m.Unit.Path), os.Symlink(os.DevNull, m.Unit.Path))
		}},
		{name: "dangling", code: UnitDangling, do: func(m machine) error {
			return errors.Join(os.Remove(m.Unit.Path), os.Symlink(filepath.Join(m.home, "gone"), m.Unit.Path))
		}},
		{name: "by way of a link", code: UnitKeyDrift, do: func(m machine) error {
			elsewhere := filepath.Join(m.home, "dotfiles.service")
			return errors.Join(rewritten(m, "KillMode=mixed", "KillMode=process"), os.Rename(m.Unit.Path, elsewhere), os.Symlink(elsewhere, m.Unit.Path))
		}},
		{name: "disabled", code: UnitDisabled, do: func(m machine) error { return os.RemoveAll(filepath.Dir(m.wantLink())) }},
		{name: "failed", code: UnitFailed, do: func(m machine) error {
			return errors.Join(rewritten(m, "Type=notify", "Type=simple"), m.put("active", "failed"), m.put("running", ""))
		}},
		{name: "stopped", code: UnitStopped, do: func(m machine) error { return m.Stop(context.Background(), m.Unit) }},
		{name: "config is gone", code: ConfigMissing, fresh: true, do: func(m machine) error {
			return errors.Join(os.Remove(m.Profile.ConfigPath), os.RemoveAll(m.Profile.Workspace))
		}},
		{name: "no credential", code: ConfigIncomplete, fresh: true, do: func(m machine) error {
			return os.WriteFile(m.Profile.ConfigPath, []byte("// mine\n{ gateway: { port: 19001 }, env: { A: 'planted-secret' } }"), 0o640)
		}},
		{name: "drop-in", code: DropInOverride, force: true, do: func(m machine) error {
			return errors.Join(os.Mkdir(m.Unit.Path+".d", 0o755), os.WriteFile(filepath.Join(m.Unit.Path+".d", "x.conf"), []byte("[Service]\nKillMode=none\n"), 0o640),
				m.Reload(context.Background(), m.Unit))
		}},
		{name: "of the Node product", code: UnitNode, force: true, do: func(m machine) error {
			return errors.Join(os.WriteFile(m.Unit.Path, []byte("[Service]\nExecStart=/usr/bin/node /opt/coderclaw/dist/entry.js gateway --port 19001\nEnvironment=CODERCLAW_SERVICE_MARKER=coderclaw\n"), 0o644),
				m.Reload(context.Background(), m.Unit), m.Start(context.Background(), m.Unit))
		}},
	}
}
