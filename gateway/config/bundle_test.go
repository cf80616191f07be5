package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/json5"
	"github.com/coderclaw/coderclaw/profiles"
)

// bundle writes the files, the first of which is the config, and loads them.
func bundle(t *testing.T, files ...string) (*Bundle, profiles.Profile) {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, filepath.FromSlash(files[i]))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(files[i+1], "DIR", filepath.ToSlash(dir))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := profiles.Profile{Name: "work", ConfigPath: filepath.Join(dir, files[0]), StateDir: dir}
	b, err := LoadBundle(p)
	if err != nil {
		t.Fatal(err)
	}
	return b, p
}

func texts(b *Bundle) map[string]string {
	out := map[string]string{}
	for _, f := range b.Files() {
		out[f.Name] = string(f.Data)
	}
	return out
}

const rootText = `{ // the token was old-token-0123456789
  gateway: { $include: "parts/gw.json5", port: 19005 },
  models: { providers: { a: { apiKey: "key-0123456789abcdef", baseUrl: "http://h/?k=key-0123456789abcdef" } } },
  list: [{ apiKey: "${KEY}" }, { $include: ["DIR/parts/one.json5", "parts/one.json5"] }],
}
`

func TestBundleRedact(t *testing.T) {
	t.Parallel()
	b, _ := bundle(t, "coderclaw.json", rootText,
		"parts/gw.json5", `{ auth: { token: "old-token-0123456789", mode: "token" } } // key-0123456789abcdef`,
		"parts/one.json5", `{ botToken: 'it\'s', maxTokens: "8" }`)
	if diff := cmp.Diff([]string{"gateway.auth.token", "list[1].botToken", "models.providers.a.apiKey"}, b.Secrets()); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	redacted, err := b.Redact()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"gateway.auth.token", "list[1].botToken", "models.providers.a.apiKey", "models.providers.a.baseUrl"}, redacted); diff != "" {
		t.Errorf("redacted (-want +got):\n%s", diff)
	}
	want := map[string]string{
		"coderclaw.json": strings.NewReplacer("old-token-0123456789", Sentinel, "key-0123456789abcdef", Sentinel, "DIR/", "").Replace(rootText),
		"parts/gw.json5": `{ auth: { token: "` + Sentinel + `", mode: "token" } } // ` + Sentinel, "parts/one.json5": `{ botToken: "` + Sentinel + `", maxTokens: "8" }`,
	}
	if diff := cmp.Diff(want, texts(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBundleMoves(t *testing.T) {
	t.Parallel()
	b, p := bundle(t, "my.json", `{
  gateway: { port: 1, auth: { $include: "DIR/auth.json" } },
  agents: { defaults: { workspace: "~/w" }, list: [{ workspace: "DIR/workspace/x/" }, { workspace: "DIR-not" }] },
  x: { $include: "gw.json" }, y: "~/w/z", url: "https://h/w",
}`, "auth.json", `{"token":"t0","password":"p0"}`, "gw.json", `{"port": 1}`)
	for key, want := range map[string]bool{"gateway.port": true, "x.port": true, "gateway.auth.none": false} {
		if got, err := b.Remove(strings.Split(key, ".")...); got != want || err != nil {
			t.Errorf("remove %s: %v, %v", key, got, err)
		}
	}
	home := filepath.FromSlash("/home/u")
	got, err := b.Repoint(home, Move{filepath.Join(home, "w"), "/new/ws"}, Move{p.StateDir, "/new"})
	if diff := cmp.Diff([]string{"agents.defaults.workspace", "agents.list[0].workspace", "y"}, got); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
	renewed, err := b.RenewCredentials(true)
	if diff := cmp.Diff([]string{"gateway.auth.password", "gateway.auth.token"}, renewed); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
	if err := b.Rename("gw.json"); exitcode.Of(err) != exitcode.Config {
		t.Errorf("an included file was replaced: %v", err)
	}
	if err := b.Rename("coderclaw.json"); err != nil {
		t.Fatal(err)
	}
	all := texts(b)
	if !regexp.MustCompile(`^\{"token":"[0-9a-f]{48}","password":"[0-9a-f]{48}"\}$`).MatchString(all["auth.json"]) {
		t.Errorf("auth.json: %s", all["auth.json"])
	}
	if all["gw.json"] != "{}" {
		t.Errorf("gw.json: %s", all["gw.json"])
	}
	want := `{
  gateway: { auth: { $include: "auth.json" } },
  agents: { defaults: { workspace: "/new/ws" }, list: [{ workspace: "/new/workspace/x" }, { workspace: "` + filepath.ToSlash(p.StateDir) + `-not" }] },
  x: { $include: "gw.json" }, y: "/new/ws/z", url: "https://h/w",
}`
	if diff := cmp.Diff(want, all["coderclaw.json"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	dir := t.TempDir()
	if err := b.Write(dir); err != nil {
		t.Fatal(err)
	}
	if s := load(t, filepath.Join(dir, "coderclaw.json"), nil); len(s.Includes) != 2 || s.Config.Gateway.Port != 0 || len(s.Config.Gateway.Auth.Token) != 48 {
		t.Errorf("read back: %+v, includes %q", s.Config, s.Includes)
	}
}

func TestRenewCredentials(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		all  bool
		want string // expression; T is a new token
	}{
		{`{}`, false, `{ "gateway": { "auth": { "token": T } } }`},
		{`{gateway:{auth:{mode:"none"}}}`, true, `{gateway:{auth:{mode:"none"}}}`},
		{`{gateway:{auth:{mode:"password"}}}`, true, `{gateway:{auth:{mode:"password", password: T}}}`},
		{`{gateway:{auth:{password:"p"}}}`, false, `{gateway:{auth:{password:"p"}}}`},
		{`{gateway:{auth:{token:"${T}"}}}`, true, `{gateway:{auth:{token:T}}}`},
		{`{gateway:{auth:{token:"mine"}}}`, false, `{gateway:{auth:{token:"mine"}}}`},
		{`{gateway:{auth:{token:"` + Sentinel + `"}}}`, false, `{gateway:{auth:{token:T}}}`},
	} {
		b, _ := bundle(t, "c.json", tt.text)
		renewed, err := b.RenewCredentials(tt.all)
		if err != nil || (len(renewed) > 0) != strings.Contains(tt.want, "T") {
			t.Errorf("%s: renewed %q, %v", tt.text, renewed, err)
		}
		got := strings.Join(strings.Fields(regexp.MustCompile(`"[0-9a-f]{48}"`).ReplaceAllString(texts(b)["c.json"], "T")), " ")
		if got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.text, got, tt.want)
		}
	}
}

func TestLoadBundleErrors(t *testing.T) {
	t.Parallel()
	p := profiles.Profile{Name: "work", ConfigPath: filepath.Join(t.TempDir(), "c.json")}
	if _, err := LoadBundle(p); exitcode.Of(err) != exitcode.Config || !strings.Contains(err.Error(), missingConfig) {
		t.Errorf("no file: %v", err)
	}
	for text, want := range map[string]string{
		"{": "c.json:1:2", `{$include:"gone"}`: "Failed to read include file", `{$include:"../x"}`: "escapes", `{$include:"c.json"}`: "Circular",
	} {
		if err := os.WriteFile(p.ConfigPath, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadBundle(p); exitcode.Of(err) != exitcode.Config || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzBundle: whatever the config, after Redact no secret is left at its own key,
// and the rest of the tree is what it was.
func FuzzBundle(f *testing.F) {
	f.Add([]byte(`{a:{token:"secret-1",x:["secret-1"]} /* secret-1 */, env:{A:"b"}}`), []byte(`{port:1}`))
	f.Add([]byte(`{$include:["i.json"],gateway:{$include:"i.json"}}`), []byte(`{token:'\u0041bcdef',}`))
	f.Fuzz(func(t *testing.T, root, include []byte) {
		dir := t.TempDir()
		p := profiles.Profile{Name: "x", ConfigPath: filepath.Join(dir, "c.json")}
		for name, text := range map[string][]byte{"c.json": root, "i.json": include} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b, err := LoadBundle(p)
		if err != nil {
			return
		}
		secrets := b.Secrets()
		before, err := json5.Parse(b.Files()[0].Data)
		if err != nil {
			t.Fatal(err)
		}
		redacted, err := b.Redact()
		if err != nil {
			t.Fatalf("%q: %v", root, err)
		}
		if len(redacted) < len(secrets) || len(b.Secrets()) > 0 {
			t.Fatalf("%q: of %q redacted %q, left %q", root, secrets, redacted, b.Secrets())
		}
		after, err := json5.Parse(b.Files()[0].Data)
		if err != nil {
			t.Fatal(err)
		}
		if before.Kind != after.Kind || len(before.Members) != len(after.Members) || len(before.Items) != len(after.Items) {
			t.Fatalf("%q became %q", root, b.Files()[0].Data)
		}
		if _, err := b.Remove("gateway", "port"); err != nil {
			t.Fatal(err)
		}
		if before.Kind == json5.Object {
			_, _ = b.RenewCredentials(true) // refused where gateway is no object
		}
	})
}
