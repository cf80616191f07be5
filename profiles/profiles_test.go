package profiles_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

func env(pairs ...string) profiles.Lookup {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestParseName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"dev": "dev", "Work": "work", "a": "a", "9-_x": "9-_x", strings.Repeat("x", 32): strings.Repeat("x", 32),
		"": "", "../x": "", "-x": "", "_x": "", "a b": "", "é": "", "gateway": "", "NODE": "", strings.Repeat("x", 33): "", "a/b": "", "a.b": "",
	} {
		got, err := profiles.ParseName(in)
		if got != want || (err == nil) != (want != "") || err != nil && exitcode.Of(err) != exitcode.Usage {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func FuzzParsePort(f *testing.F) {
	for _, s := range []string{"1", "65535", "0", "70000", "18789abc", "+5", "-1", " 5", "1_0", "0x10", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := profiles.ParsePort(s)
		if err == nil && (n < 1 || n > 65535 || strings.Trim(s, "0123456789") != "") {
			t.Errorf("%q is taken for port %d", s, n)
		}
	})
}

// registry writes text as a registry and loads it.
func registry(t *testing.T, text string) (*profiles.Registry, string, error) {
	t.Helper()
	home := t.TempDir()
	path := filepath.Join(home, "profiles.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := profiles.Load(path, home)
	return r, home, err
}

func TestRules(t *testing.T) {
	t.Parallel()
	r, home, err := registry(t, "[profiles.work]\nport = 20000\nstate_dir = \"~/w\"\ndrain = \"5s\"\npass_env = [\"KEY\"]\nisolation = \"strict\"\nallow = [\"~/src/\", \"/srv/data\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range r.List() {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "default dev rescue work" {
		t.Errorf("list %s", got)
	}
	dev, _ := r.Get("dev")
	if dev.Port != 19001 || dev.StateDir != filepath.Join(home, ".coderclaw-dev") || dev.ConfigPath != filepath.Join(dev.StateDir, "coderclaw.json") ||
		dev.Workspace != filepath.Join(dev.StateDir, "workspace") || dev.StopTimeout() != 45*time.Second {
		t.Errorf("dev %+v", dev)
	}
	work, _ := r.Get("work")
	if work.StateDir != filepath.Join(home, "w") || work.ConfigPath != filepath.Join(home, "w", "coderclaw.json") || work.Drain != 5*time.Second {
		t.Errorf("work %+v", work)
	}
	if work.Isolation != profiles.IsolationStrict || !slices.Equal(work.Allow, []string{filepath.Join(home, "src"), "/srv/data"}) {
		t.Errorf("work is isolated %s and allowed %q", work.Isolation, work.Allow)
	}
	if dev.Isolation != profiles.IsolationStandard || dev.Allow != nil {
		t.Errorf("dev is isolated %s and allowed %q", dev.Isolation, dev.Allow)
	}
	if p, ok := r.Owner(19005, "default"); !ok || p.Name != "dev" {
		t.Errorf("19005 belongs to %s", p.Name)
	}
	if _, ok := r.Owner(19005, "dev"); ok {
		t.Error("a profile collides with itself")
	}
	if _, err := r.Get("nobody"); err == nil || !strings.Contains(err.Error(), "coderclaw profiles create nobody") {
		t.Errorf("got %v", err)
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":        {"[profiles.a]\nport = 20000\nprot = 1\n", `profiles.toml:3:1: unknown key "profiles.a.prot"`},
		"unknown table":      {"[x]\n", `:1:2: unknown key "x"`},
		"broken":             {"[profiles.a\n", "profiles.toml:1:"},
		"wrong type":         {"[profiles.a]\nport = \"x\"\n", "profiles.toml:2:8:"},
		"relative":           {"[profiles.a]\nport = 20000\nconfig = \"x\"\n", `profiles.toml:3: profile a: config: "x" must be absolute or begin with ~/`},
		"no port":            {"[profiles.a]\n", "profiles.toml:1: profile a: it has no port"},
		"high port":          {"[profiles.a]\nport = 65500\n", "profiles.toml:2: profile a: port: port 65500 cannot be the base of a block"},
		"upper case":         {"[profiles.A]\nport = 20000\n", `profile names are lower case; call it "a"`},
		"reserved":           {"[profiles.node]\nport = 20000\n", `cannot be called "node"`},
		"drain":              {"[profiles.dev]\ndrain = \"1h\"\n", "profiles.toml:2: profile dev: drain:"},
		"pass_env":           {"[profiles.dev]\npass_env = [\"CODERCLAW_HOME\"]\n", "it decides which gateway is meant"},
		"isolation":          {"[profiles.dev]\nisolation = \"none\"\n", `profiles.toml:2: profile dev: isolation: "none" is no mode; use standard, strict, off`},
		"isolation type":     {"[profiles.dev]\nisolation = false\n", "profiles.toml:2:"},
		"allow relative":     {"[profiles.dev]\nallow = [\"src\"]\n", `profiles.toml:2: profile dev: allow: "src" must be absolute or begin with ~/`},
		"allow empty":        {"[profiles.dev]\n\nallow = [\"\"]\n", `profiles.toml:3: profile dev: allow: ""`},
		"allow all":          {"[profiles.dev]\nallow = [\"/srv/..\"]\n", `is everything; to isolate nothing, write isolation = "off"`},
		"allow twice":        {"[profiles.dev]\nallow = [\"/srv\", \"/srv/\"]\n", "/srv is named twice"},
		"allow type":         {"[profiles.dev]\nallow = \"/srv\"\n", "profiles.toml:2:"},
		"allow another's":    {"[profiles.dev]\nallow = [\"~/.coderclaw\"]\n", "profiles.toml:2: profile dev: allow: "},
		"allow in another's": {"[profiles.dev]\nallow = [\"~/.coderclaw-rescue/workspace/x\"]\n", "belongs to the workspace of profile rescue"},
		"ports":              {"[profiles.a]\nport = 20000\n\n[profiles.b]\nport = 20100\n", "profiles.toml:4: profile b: the port block 20100-20210 overlaps with the port block of profile a, 20000-20110"},
		"built-in's port":    {"[profiles.a]\nport = 18800\n", "overlaps with the port block of profile default"},
		"state in state":     {"[profiles.a]\nport = 20000\nstate_dir = \"~/.coderclaw/a\"\n", "overlaps with the state dir of profile default"},
		"same config":        {"[profiles.a]\nport = 20000\nconfig = \"~/.coderclaw-dev/coderclaw.json\"\n", "overlaps with the config of profile dev"},
		"same workspace":     {"[profiles.a]\nport = 20000\nworkspace = \"~/.coderclaw-dev/workspace\"\n", "overlaps with the workspace of profile dev"},
	} {
		_, _, err := registry(t, tc.text)
		if err == nil || !strings.Contains(err.Error(), tc.want) || exitcode.Of(err) != exitcode.Config {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestOverlapThroughSymlink(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".coderclaw-dev"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".coderclaw-dev", filepath.Join(home, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	_, err := profiles.Create(t.Context(), filepath.Join(home, "r.toml"), home, "x", profiles.CreateOptions{Change: profiles.Change{StateDir: filepath.Join(home, "elsewhere")}})
	collision, ok := errors.AsType[*profiles.CollisionError](err)
	if !ok || collision.A != "dev" || collision.Field != "state dir" {
		t.Errorf("got %v", err)
	}
}

func TestCreateAndRemoveKeepTheRest(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	path := filepath.Join(home, "cfg", "profiles.toml")
	const before = "# mine\n[profiles.a] # first\nport = 30000\n\n# about b\n[profiles.b]\nport = 30200 # kept\n"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Create(t.Context(), path, home, "C", profiles.CreateOptions{Taken: []profiles.Block{{Base: 20000}}, Bindable: func(port int) bool { return port != 20402 }})
	if err != nil || p.Name != "c" || p.Port != 20200 {
		t.Fatalf("made %+v, %v", p, err)
	}
	d, err := profiles.Create(t.Context(), path, home, "d", profiles.CreateOptions{Bindable: func(port int) bool { return port > 20402 }})
	if err != nil || d.Port != 20600 {
		t.Fatalf("made %+v, %v", d, err)
	}
	if text, _ := os.ReadFile(path); !strings.HasPrefix(string(text), before) {
		t.Errorf("the text became\n%s", text)
	}
	for _, name := range []string{"c", "d"} {
		if _, err := profiles.Remove(t.Context(), path, home, name); err != nil {
			t.Fatal(err)
		}
	}
	if text, _ := os.ReadFile(path); strings.TrimRight(string(text), "\n") != strings.TrimRight(before, "\n") {
		t.Errorf("after create and remove\n%s", text)
	}
	if _, err := profiles.Remove(t.Context(), path, home, "a"); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); !strings.Contains(string(text), "# mine") || !strings.Contains(string(text), "# about b\n[profiles.b]\nport = 30200 # kept") || strings.Contains(string(text), "profiles.a") {
		t.Errorf("after a is gone\n%s", text)
	}
	if _, err := profiles.Remove(t.Context(), path, home, "dev"); exitcode.Of(err) != exitcode.Usage {
		t.Errorf("a built-in one: %v", err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestConcurrentCreates(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	path := filepath.Join(home, "profiles.toml")
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			name := "p" + string(rune('a'+i))
			if _, err := profiles.Create(t.Context(), path, home, name, profiles.CreateOptions{Bindable: func(int) bool { return true }}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r, err := profiles.Load(path, home)
	if err != nil || len(r.List()) != 15 {
		t.Errorf("%d profiles, %v", len(r.List()), err)
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	r, home, err := registry(t, "")
	if err != nil {
		t.Fatal(err)
	}
	devDir := filepath.Join(home, ".coderclaw-dev")
	for name, tc := range map[string]struct {
		s    profiles.Selection
		env  profiles.Lookup
		want string // name and state dir
		code exitcode.Code
	}{
		"nothing":              {want: "default " + filepath.Join(home, ".coderclaw")},
		"flag":                 {s: profiles.Selection{Profile: "Rescue"}, want: "rescue " + filepath.Join(home, ".coderclaw-rescue")},
		"dev":                  {s: profiles.Selection{Dev: true}, want: "dev " + devDir},
		"dev twice":            {s: profiles.Selection{Dev: true, Profile: "dev"}, want: "dev " + devDir},
		"dev and another":      {s: profiles.Selection{Dev: true, Profile: "rescue"}, code: exitcode.Usage},
		"bad flag":             {s: profiles.Selection{Profile: "../x"}, code: exitcode.Usage},
		"unknown":              {s: profiles.Selection{Profile: "nobody"}, code: exitcode.Usage},
		"variable":             {env: env("CODERCLAW_PROFILE", "dev"), want: "dev " + devDir},
		"flag beats variable":  {s: profiles.Selection{Profile: "rescue"}, env: env("CODERCLAW_PROFILE", "dev"), want: "rescue " + filepath.Join(home, ".coderclaw-rescue")},
		"same state dir":       {s: profiles.Selection{Dev: true}, env: env("CODERCLAW_STATE_DIR", devDir+"/"), want: "dev " + devDir},
		"other state dir":      {s: profiles.Selection{Dev: true}, env: env("CODERCLAW_STATE_DIR", "/elsewhere"), code: exitcode.Usage},
		"other port":           {s: profiles.Selection{Dev: true}, env: env("CODERCLAW_GATEWAY_PORT", "19002"), code: exitcode.Usage},
		"other config":         {env: env("CODERCLAW_PROFILE", "dev", "CODERCLAW_CONFIG_PATH", "/x.json"), code: exitcode.Usage},
		"one of its own":       {env: env("CODERCLAW_STATE_DIR", "~/own"), want: " " + filepath.Join(home, "own")},
		"spelt out":            {env: env("CODERCLAW_STATE_DIR", "~/.coderclaw-dev"), want: "dev " + devDir},
		"only a port":          {env: env("CODERCLAW_GATEWAY_PORT", "20000"), want: "default " + filepath.Join(home, ".coderclaw")},
		"bad port":             {env: env("CODERCLAW_GATEWAY_PORT", "18789abc"), code: exitcode.Usage},
		"bad profile variable": {env: env("CODERCLAW_PROFILE", "a b"), code: exitcode.Usage},
	} {
		if tc.env == nil {
			tc.env = env()
		}
		p, err := profiles.Select(r, tc.s, tc.env)
		if got := p.Name + " " + p.StateDir; exitcode.Of(err) != tc.code || tc.code == 0 && got != tc.want {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	p, _ := profiles.Select(r, profiles.Selection{}, env("CODERCLAW_STATE_DIR", "/own", "CODERCLAW_GATEWAY_PORT", "20000"))
	if p.Registered() || p.Flag() != "" || p.Port != 20000 || p.ConfigPath != filepath.FromSlash("/own/coderclaw.json") {
		t.Errorf("a gateway of its own: %+v", p)
	}
}

func TestOwned(t *testing.T) {
	t.Parallel()
	r, home, err := registry(t, "[profiles.a]\nport = 20000\nconfig = \"/srv/a/x.json\"\n\n[profiles.b]\nport = 20200\nconfig = \"/etc/b.json\"\n\n"+
		"[profiles.c]\nport = 20400\nconfig = \"~/c.json\"\n\n[profiles.d]\nport = 20600\nconfig = \"~/.config/d.json\"\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{"a": {"/srv/a/x.json", "/srv/a"}, "b": {"/etc/b.json"},
		"c": {filepath.Join(home, "c.json")}, "d": {filepath.Join(home, ".config", "d.json")}} {
		p, err := r.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		want = append([]string{p.StateDir, p.Workspace}, want...)
		if got := p.Owned(home); !slices.Equal(got, want) {
			t.Errorf("%s owns %q; want %q", name, got, want)
		}
	}
}

func TestTerritory(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	far := t.TempDir()
	if err := os.Symlink(far, filepath.Join(home, "link")); err != nil {
		t.Fatal(err)
	}
	at := func(name, state string) profiles.Profile {
		return profiles.Profile{Name: name, StateDir: state, ConfigPath: filepath.Join(state, "coderclaw.json"), Workspace: filepath.Join(state, "workspace")}
	}
	a, b, c, d := at("a", filepath.Join(home, "a")), at("b", filepath.Join(home, "x", "b")), at("c", filepath.Join(home, "link", "c")), at("d", filepath.Join(home, "d"))
	d.Workspace = filepath.Join(far, "ws")
	territory := profiles.NewTerritory(home, []profiles.Profile{a, b, c, d})
	outside := []string{c.StateDir, c.Workspace, c.ConfigPath, d.Workspace}
	if got := territory.Hidden(a); !slices.Equal(got, outside) {
		t.Errorf("hidden from a: %q; want %q", got, outside)
	}
	a.Allow = []string{filepath.Join(home, "x")}
	if got, want := territory.Hidden(a), append([]string{b.StateDir, b.Workspace, b.ConfigPath}, outside...); !slices.Equal(got, want) {
		t.Errorf("hidden from a, which is allowed x: %q; want %q", got, want)
	}
	if got, want := territory.Hidden(c), []string{d.Workspace}; !slices.Equal(got, want) {
		t.Errorf("hidden from c: %q; want %q", got, want)
	}
}

func TestCreateIsolated(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	path := filepath.Join(home, "profiles.toml")
	change := profiles.Change{Isolation: "strict", Allow: []string{"~/src", "/srv"}}
	p, err := profiles.Create(t.Context(), path, home, "x", profiles.CreateOptions{Change: change})
	if err != nil || p.Isolation != "strict" || !slices.Equal(p.Allow, []string{filepath.Join(home, "src"), "/srv"}) {
		t.Errorf("made %+v, %v", p, err)
	}
	if change.Allow[0] != "~/src" {
		t.Error("the caller's list was changed")
	}
	change.Isolation = "loose"
	if _, err := profiles.Create(t.Context(), path, home, "y", profiles.CreateOptions{Change: change}); exitcode.Of(err) != exitcode.Usage {
		t.Errorf("got %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("[profiles.dev]\nisolation = \"off\"\nallow = [\"~\", \"/srv\"]\n"))
	f.Add([]byte("[profiles.a]\nport = 20000\ndrain = \"5s\"\n[profiles.\"b\"]\nport=1\n"))
	f.Add([]byte("[profiles.dev]\nstate_dir = \"~\"\n"))
	home := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "r.toml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := profiles.Load(path, home)
		if err == nil && len(r.List()) < 3 {
			t.Errorf("%d profiles", len(r.List()))
		}
	})
}

// TestModel: whatever is created and removed, no two profiles overlap, and what
// was made is what is read.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		home, err := os.MkdirTemp("", "profiles-model-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(home)
		path := filepath.Join(home, "profiles.toml")
		names := []string{"a", "b", "c", "d", "dev"}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			name := rapid.SampledFrom(names).Draw(t, "name")
			if rapid.Bool().Draw(t, "remove") {
				_, _ = profiles.Remove(context.Background(), path, home, name) // most are not there
				continue
			}
			o := profiles.CreateOptions{Bindable: func(int) bool { return true }}
			o.Port = rapid.SampledFrom([]int{0, 0, 18700, 19100, 20050, 30000, 30100, 65000}).Draw(t, "port")
			if rapid.Bool().Draw(t, "own dir") {
				o.StateDir = filepath.Join(home, rapid.SampledFrom([]string{"x", "x/y", ".coderclaw", ".coderclaw-a/z", "w"}).Draw(t, "dir"))
			}
			made, err := profiles.Create(context.Background(), path, home, name, o)
			if err != nil {
				continue
			}
			r, err := profiles.Load(path, home)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.Get(name); err != nil || got.Port != made.Port || got.StateDir != made.StateDir {
				t.Fatalf("made %+v, read %+v, %v", made, got, err)
			}
		}
		r, err := profiles.Load(path, home)
		if err != nil {
			t.Fatal(err)
		}
		list := r.List()
		for i, a := range list {
			for _, b := range list[:i] {
				if a.Block().Overlaps(b.Block()) || strings.HasPrefix(a.StateDir+"/", b.StateDir+"/") || strings.HasPrefix(b.StateDir+"/", a.StateDir+"/") {
					t.Fatalf("%+v and %+v overlap", a, b)
				}
			}
		}
	})
}

// TestLoadOfNoFile: neither a pipe nor an endless file keeps anybody waiting.
func TestLoadOfNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<33); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "is no file", os.DevNull: "is no file", large: "larger than"} {
		if _, err := profiles.Load(path, dir); err == nil || !strings.Contains(err.Error(), want) || exitcode.Of(err) != exitcode.Config {
			t.Errorf("%s: %v", path, err)
		}
	}
}
