package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

// tree describes every entry below dir: mode, time of change and hash. The lock file is left out.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "setup.lock" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		sum := ""
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum = fmt.Sprintf("%x", sha256.Sum256(b))
		}
		rel, err := filepath.Rel(dir, path)
		out[filepath.ToSlash(rel)] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano(), sum)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// summary prints a report with dir left out.
func summary(r SetupReport, dir string) string {
	var b strings.Builder
	for _, e := range r.Entries {
		rel, _ := filepath.Rel(dir, e.Path)
		fmt.Fprintf(&b, "%s %s %s", e.Action, e.What, filepath.ToSlash(rel))
		if e.Note != "" {
			fmt.Fprintf(&b, " (%s)", e.Note)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func mustSetup(t *testing.T, p profiles.Profile, o SetupOptions) SetupReport {
	t.Helper()
	r, err := Setup(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const freshReport = `made state dir state
made config state/coderclaw.json
made log dir state/logs
made session dir state/agents/main/sessions
made workspace state/workspace
made workspace file state/workspace/.coderclaw/AGENTS.md
made workspace file state/workspace/.coderclaw/SOUL.md
made workspace file state/workspace/.coderclaw/TOOLS.md
made workspace file state/workspace/.coderclaw/IDENTITY.md
made workspace file state/workspace/.coderclaw/USER.md
`

func TestSetupFresh(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	p := profileAt("dev", filepath.Join(base, "state"))
	if got := summary(mustSetup(t, p, SetupOptions{}), base); got != freshReport {
		t.Errorf("got\n%swant\n%s", got, freshReport)
	}
	raw, err := os.ReadFile(p.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^\{
  "gateway": \{
    "mode": "local",
    "auth": \{
      "mode": "token",
      "token": "[0-9a-f]{48}"
    \}
  \}
\}
$`)
	if !want.Match(raw) {
		t.Errorf("config:\n%s", raw)
	}
	if runtime.GOOS != "windows" {
		for path, mode := range map[string]fs.FileMode{".": 0o700, "coderclaw.json": 0o600, "logs": 0o700, "agents/main/sessions": 0o700,
			"workspace": 0o700, "workspace/.coderclaw/AGENTS.md": 0o600} {
			info, err := os.Stat(filepath.Join(p.StateDir, path))
			if err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v, want %o", path, info.Mode(), err, mode)
			}
		}
	}
	if _, err := CheckProfile(t.Context(), p, vars()); err != nil {
		t.Errorf("a gateway would not start: %v", err)
	}
	before := tree(t, base)
	second := mustSetup(t, p, SetupOptions{})
	if got, want := summary(second, base), strings.ReplaceAll(freshReport, "made", "kept"); got != want || second.Changed() {
		t.Errorf("second run: got\n%swant\n%s", got, want)
	}
	if diff := cmp.Diff(before, tree(t, base)); diff != "" {
		t.Errorf("the second run changed something (-before +after):\n%s", diff)
	}
}

func TestSetupOptions(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	p := profileAt("dev", filepath.Join(base, "state"))
	p.ConfigPath = filepath.Join(base, "conf", "c.json")
	o := SetupOptions{Workspace: filepath.Join(base, `w s"$`), Port: 4000}
	r := mustSetup(t, p, o)
	if got := summary(r, base); !strings.Contains(got, "made config dir conf\nmade config conf/c.json (set gateway.port, agents.defaults.workspace)\n") ||
		!strings.Contains(got, `made workspace file w s"$/.coderclaw/AGENTS.md`) {
		t.Errorf("report:\n%s", got)
	}
	c, err := CheckProfile(t.Context(), p, vars())
	if err != nil || c.Port != 4000 || c.Workspace != o.Workspace {
		t.Errorf("port %d, workspace %s, %v", c.Port, c.Workspace, err)
	}
	before := tree(t, base)
	if r := mustSetup(t, p, o); r.Changed() {
		t.Errorf("second run: %s", summary(r, base))
	}
	if r := mustSetup(t, p, SetupOptions{}); r.Changed() {
		t.Errorf("third run, without options: %s", summary(r, base))
	}
	if diff := cmp.Diff(before, tree(t, base)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if r := mustSetup(t, p, SetupOptions{Port: 5000}); !strings.Contains(summary(r, base), "updated config conf/c.json (set gateway.port)") {
		t.Errorf("another port: %s", summary(r, base))
	}
}

func TestSetupCompletesConfig(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Log("modes mean nothing on Windows")
		return
	}
	tests := []struct{ name, src, env, want, note string }{
		{"nothing yet", "{}\n", "", "{\n  \"gateway\": {\n    \"mode\": \"local\",\n    \"auth\": {\n      \"token\": \"TOKEN\"\n    }\n  }\n}\n", "set gateway.mode, gateway.auth.token"},
		{"comments and style", "// mine\n{\n\tgateway: {\n\t\tport: 0x4000, // here\n\t},\n}\n", "",
			"// mine\n{\n\tgateway: {\n\t\tport: 0x4000, // here\n\t\tmode: \"local\",\n\t\tauth: {\n\t\t\ttoken: \"TOKEN\"\n\t\t},\n\t},\n}\n", "set gateway.mode, gateway.auth.token"},
		{"empty token", "{gateway: {mode: 'local', auth: {token: ''}}}", "", "{gateway: {mode: 'local', auth: {token: \"TOKEN\"}}}", "set gateway.auth.token"},
		{"password mode", "{gateway: {mode: 'local', auth: {mode: 'password'}}}", "", "{gateway: {mode: 'local', auth: {mode: 'password', password: \"TOKEN\"}}}", "set gateway.auth.password"},
		{"mode only", "{gateway: {auth: {password: 'p'}}}", "", "{gateway: {auth: {password: 'p'}, mode: \"local\"}}", "set gateway.mode"},
		{"credential in the environment file", "{gateway: {mode: 'local'}}", "CODERCLAW_GATEWAY_TOKEN=x", "{gateway: {mode: 'local'}}", ""},
		{"auth mode none", "{gateway: {mode: 'local', auth: {mode: 'none'}}}", "", "{gateway: {mode: 'local', auth: {mode: 'none'}}}", ""},
		{"remote stays remote", "{gateway: {mode: 'remote', auth: {token: 't'}}}", "", "{gateway: {mode: 'remote', auth: {token: 't'}}}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, "coderclaw.json", tt.src, ".env", tt.env)
			p := profileAt("default", filepath.Dir(path))
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(p.StateDir, 0o755); err != nil {
				t.Fatal(err)
			}
			r := mustSetup(t, p, SetupOptions{})
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := regexp.MustCompile(`"[0-9a-f]{48}"`).ReplaceAllString(string(raw), `"TOKEN"`); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			const wide = "lets other users in; mend it with: coderclaw doctor --repair"
			want := []SetupEntry{
				{Kept, "state dir", p.StateDir, "mode 0755 " + wide},
				{Updated, "config", path, tt.note},
			}
			if tt.note == "" {
				want[1] = SetupEntry{Kept, "config", path, "mode 0644 " + wide}
			}
			if diff := cmp.Diff(want, r.Entries[:2]); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			before := tree(t, p.StateDir)
			if r := mustSetup(t, p, SetupOptions{}); r.Changed() {
				t.Errorf("second run: %s", summary(r, p.StateDir))
			}
			if diff := cmp.Diff(before, tree(t, p.StateDir)); diff != "" {
				t.Errorf("second run (-before +after):\n%s", diff)
			}
		})
	}
}

func TestSetupKeepsFilesOfTheWorkspace(t *testing.T) {
	t.Parallel()
	path := write(t, "workspace/.coderclaw/SOUL.md", "mine")
	p := profileAt("default", filepath.Dir(filepath.Dir(filepath.Dir(path))))
	mustSetup(t, p, SetupOptions{})
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestSetupSkipsBootstrap(t *testing.T) {
	t.Parallel()
	p := profileAt("default", filepath.Dir(write(t, "coderclaw.json", "{agents: {defaults: {skipBootstrap: true}}}")))
	if got := summary(mustSetup(t, p, SetupOptions{}), p.StateDir); strings.Contains(got, "workspace file") {
		t.Errorf("got\n%s", got)
	}
}

// TestSetupRefuses holds that a refused setup writes nothing at all.
func TestSetupRefuses(t *testing.T) {
	t.Parallel()
	denied := func(dir string) host {
		h := thisHost()
		h.writable = func(d string) error {
			if d == dir {
				return fs.ErrPermission
			}
			return nil
		}
		return h
	}
	tests := []struct {
		name  string
		files []string
		o     SetupOptions
		p     func(dir string) profiles.Profile
		host  func(dir string) host
		code  exitcode.Code
		want  string
	}{
		{name: "invalid config", files: []string{"state/coderclaw.json", "{\n gatway: {}}"}, code: exitcode.Config,
			want: "invalid config at DIR/state/coderclaw.json\n  DIR/state/coderclaw.json:2:2: gatway: unknown key; did you mean \"gateway\"?"},
		{name: "invalid environment file", files: []string{"state/.env", "x"}, code: exitcode.Config,
			want: "DIR/state/.env:1: expected NAME=VALUE, where NAME has letters, digits and _ and begins with no digit"},
		{name: "port", files: []string{"x", ""}, o: SetupOptions{Port: 70000}, code: exitcode.Usage, want: "port: must be a whole number from 1 to 65535, is 70000"},
		{name: "state dir is a file", files: []string{"state", ""}, code: exitcode.Failed, want: "state dir DIR/state: a file is in the way; move it or choose another place"},
		{name: "parent is a file", files: []string{"x", ""}, code: exitcode.Failed,
			p:    func(dir string) profiles.Profile { return profileAt("default", filepath.Join(dir, "x", "y", "state")) },
			want: "state dir DIR/x/y/state cannot be made: DIR/x is a file; move it or choose another place"},
		{name: "state dir not writable", files: []string{"state/x", ""}, code: exitcode.Failed,
			host: func(dir string) host { return denied(filepath.Join(dir, "state")) },
			want: "state dir DIR/state is not writable: permission denied; make it writable or choose another place"},
		{name: "parent not writable", files: []string{"x", ""}, code: exitcode.Failed, host: denied,
			want: "state dir DIR/state cannot be made: DIR is not writable: permission denied; make it writable or choose another place"},
		{name: "workspace not writable", files: []string{"ws/x", ""}, code: exitcode.Failed,
			p: func(dir string) profiles.Profile {
				p := profileAt("default", filepath.Join(dir, "state"))
				p.Workspace = filepath.Join(dir, "ws")
				return p
			},
			host: func(dir string) host { return denied(filepath.Join(dir, "ws")) },
			want: "workspace DIR/ws is not writable: permission denied; make it writable or choose another place"},
		{name: "another user's state dir", files: []string{"state/x", ""}, code: exitcode.Failed,
			host: func(string) host {
				h := thisHost()
				h.uid = 1000
				h.ownerOf = func(fs.FileInfo) (int, bool) { return 1001, true }
				return h
			},
			want: "state dir DIR/state belongs to uid 1001, but this is uid 1000; run it as that user or choose another state dir"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			write := write(t, tt.files...)
			dir := strings.TrimSuffix(write, string(filepath.Separator)+filepath.FromSlash(tt.files[0]))
			p := profileAt("default", filepath.Join(dir, "state"))
			if tt.p != nil {
				p = tt.p(dir)
			}
			h := thisHost()
			if tt.host != nil {
				h = tt.host(dir)
			}
			before := tree(t, dir)
			_, err := setup(t.Context(), p, tt.o, h)
			if err == nil {
				t.Fatal("no error")
			}
			if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != tt.want {
				t.Errorf("error\n%s\nwant\n%s", got, tt.want)
			}
			if exitcode.Of(err) != tt.code {
				t.Errorf("exit code %d, want %d", exitcode.Of(err), tt.code)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("something was written (-before +after):\n%s", diff)
			}
			if _, err := os.Stat(filepath.Join(p.StateDir, "setup.lock")); err == nil {
				t.Error("the lock file was made")
			}
		})
	}
}

func TestSetupsAtOnceMakeOneToken(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	p := profileAt("default", filepath.Join(base, "state"))
	var wg sync.WaitGroup
	made := make([]int, 8)
	errs := make([]error, len(made))
	for i := range made {
		wg.Go(func() {
			r, err := Setup(t.Context(), p, SetupOptions{})
			errs[i] = err
			for _, e := range r.Entries {
				if e.What == "config" && e.Action == Made {
					made[i]++
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range made {
		total += n
	}
	if total != 1 {
		t.Errorf("%d runs say that they made the config", total)
	}
}

func TestReplaceConfigNoticesAnotherWriter(t *testing.T) {
	t.Parallel()
	path := write(t, "coderclaw.json", "{ }")
	err := replaceConfig(path, []byte("{}"), []byte("{a}"))
	if err == nil || err.Error() != path+" changed meanwhile; run setup again" {
		t.Errorf("got %v", err)
	}
}
