package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path string
		want []string
		err  string
	}{
		{"gateway.port", []string{"gateway", "port"}, ""},
		{" agents.list[0].id ", []string{"agents", "list", "0", "id"}, ""},
		{"agents.list.0", []string{"agents", "list", "0"}, ""},
		{`a\.b.c\[0\]`, []string{"a.b", "c[0]"}, ""},
		{"models[ a/b.c ].x", []string{"models", "a/b.c", "x"}, ""},
		{".a..b.", []string{"a", "b"}, ""},
		{"a[0", nil, `Invalid path (missing "]"): a[0`},
		{"a[ ]", nil, `Invalid path (empty "[]"): a[ ]`},
		{" ", nil, "Path is empty."},
		{"..", nil, "Path is empty."},
		{`a\`, []string{"a"}, ""},
	} {
		got, err := parsePath(tt.path)
		text := ""
		if err != nil {
			text = err.Error()
			if exitcode.Of(err) != exitcode.Usage {
				t.Errorf("%q: exit code %d", tt.path, exitcode.Of(err))
			}
		}
		if text != tt.err || !cmp.Equal(got, tt.want) {
			t.Errorf("parsePath(%q) = %q, %v", tt.path, got, err)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add(`a\.b[0].c`)
	f.Fuzz(func(t *testing.T, path string) {
		got, err := parsePath(path)
		if err == nil && len(got) == 0 {
			t.Errorf("%q: neither segments nor an error", path)
		}
	})
}

func TestGet(t *testing.T) {
	t.Parallel()
	path := write(t, "coderclaw.json", `{
  env: { OPENAI: "s3cret" },
  gateway: { mode: "local", auth: { token: "${OPENAI}", rateLimit: {} }, trustedProxies: ["10.0.0.1"] },
  models: { providers: { "a.b": { baseUrl: "u", apiKey: "s3cret", headers: { X: "s3cret" }, models: [] } } },
  agents: { list: [ { id: "main" } ] },
}`)
	p := profileAt("dev", "/s")
	p.ConfigPath = path
	s, err := LoadProfile(p, vars())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Valid() {
		t.Fatal(s.Err())
	}
	for _, tt := range []struct {
		path string
		want any
	}{
		{"gateway.port", 19789.0},
		{"gateway.bind", "loopback"},
		{"gateway.mode", "local"},
		{"gateway.auth.token", Sentinel},
		{"gateway.auth.rateLimit.windowMs", 60000.0},
		{"gateway.controlUi.allowInsecureAuth", false},
		{"gateway.trustedProxies[0]", "10.0.0.1"},
		{"gateway.auth", map[string]any{"token": Sentinel, "rateLimit": map[string]any{
			"maxAttempts": 10.0, "windowMs": 60000.0, "lockoutMs": 300000.0, "exemptLoopback": true}}},
		{"logging", map[string]any{"level": "info", "consoleLevel": "info"}},
		{`models.providers.a\.b`, map[string]any{"baseUrl": "u", "apiKey": Sentinel, "headers": map[string]any{"X": Sentinel}, "models": []any{}}},
		{"env.OPENAI", Sentinel},
		{"agents.list.0.id", "main"},
		{"agents.defaults.workspace", p.Workspace},
	} {
		got, ok, err := s.Get(tt.path)
		if err != nil || !ok {
			t.Errorf("%s: %v, %v", tt.path, ok, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.path, diff)
		}
	}
	for _, missing := range []string{"gateway.auth.password", "agents.list[1]", "agents.list.x", "gateway.port.x", "nope"} {
		if v, ok, err := s.Get(missing); ok || err != nil {
			t.Errorf("%s = %v, %v, %v", missing, v, ok, err)
		}
	}
	if v, ok, err := s.GetSecret("gateway.auth.token"); v != "s3cret" || !ok || err != nil {
		t.Errorf("GetSecret = %v, %v, %v", v, ok, err)
	}
	if _, _, err := s.Get("a["); err == nil {
		t.Error("a bad path gives no error")
	}
	if s := load(t, write(t, "coderclaw.json", "{gateway: 1}"), nil); s.Valid() {
		t.Error("valid")
	} else if v, _, _ := s.Get("gateway"); v != 1.0 {
		t.Errorf("defaults replaced a value of the wrong type: %v", v)
	}
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	in := map[string]any{
		"botToken": "x", "maxTokens": "8", "passwordFile": "/p", "clientSecretName": "x", "api_key": "x", "apiKeys": []any{"x", 1.0},
		"apiMonkey": "fine", "empty": "", "token": "${TOKEN}", "mixedToken": "a${TOKEN}", "port": 1.0,
		"urls": []any{"https://me:pw@host/x", "socks5://:p@w@host", "https://me@host", "https://me:@host", "https://host/a:b@c", "http://host:80", "a:b@c", "https://me:${PW}@host", "https://me:a${PW}@host"},
	}
	want := map[string]any{
		"botToken": Sentinel, "maxTokens": "8", "passwordFile": "/p", "clientSecretName": Sentinel, "api_key": Sentinel, "apiKeys": []any{Sentinel, 1.0},
		"apiMonkey": "fine", "empty": "", "token": "${TOKEN}", "mixedToken": Sentinel, "port": 1.0,
		"urls": []any{Sentinel, Sentinel, "https://me@host", "https://me:@host", "https://host/a:b@c", "http://host:80", "a:b@c", "https://me:${PW}@host", Sentinel},
	}
	if diff := cmp.Diff(any(want), Redacted(in)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if in["botToken"] != "x" {
		t.Error("the argument was changed")
	}
}
