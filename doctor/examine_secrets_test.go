package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func secretExams() []exam {
	put := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// env has the .env file say that and looks again.
	env := func(text func(token string) string) func(*testing.T, *Target, *Observation) {
		return func(t *testing.T, g *Target, o *Observation) {
			put(t, g.Profile.EnvFile(), text(o.Config.Config.Gateway.Auth.Token))
			observeConfig(t.Context(), *g, o)
			observeSecrets(*g, o)
		}
	}
	devices := func(paired, own string) func(*testing.T, *Target, *Observation) {
		return func(t *testing.T, g *Target, o *Observation) {
			put(t, filepath.Join(g.Profile.StateDir, "devices", "paired.json"), paired)
			put(t, filepath.Join(g.Profile.StateDir, "identity", "device-auth.json"), own)
			observeSecrets(*g, o)
		}
	}
	const own = `{"version": 1, "deviceId": "d1", "tokens": {"operator": {"token": "` + canary + `", "role": "operator"}}}`
	return []exam{
		{".env as it should be", env(func(string) string { return "OPENAI_API_KEY=" + canary + "\n" }), nil},
		{".env twice", env(func(string) string { return "A=1\nA=2\n" }), []Code{EnvFileTwice}},
		{".env with the token", env(func(token string) string { return "CODERCLAW_GATEWAY_TOKEN=" + token + "\n" }), []Code{EnvFileToken}},
		{".env with an old token", env(func(string) string { return "CODERCLAW_GATEWAY_TOKEN=" + canary + "\n" }), []Code{EnvFileToken}},
		{".env that the config refers to", func(t *testing.T, g *Target, o *Observation) {
			put(t, g.Profile.EnvFile(), "CODERCLAW_GATEWAY_TOKEN="+canary+"\n")
			reconfigure(t, g, o, `{gateway: {mode: "local", auth: {mode: "token", token: "${CODERCLAW_GATEWAY_TOKEN}"}}}`)
			observeSecrets(*g, o)
		}, nil},
		{"another token in the shell", func(_ *testing.T, g *Target, o *Observation) {
			g.Env = func(name string) (string, bool) { return canary, name == "CODERCLAW_GATEWAY_TOKEN" }
			observeSecrets(*g, o)
		}, []Code{TokenEnvironment}},
		{"the same token in the shell", func(_ *testing.T, g *Target, o *Observation) {
			g.Env = func(name string) (string, bool) {
				return o.Config.Config.Gateway.Auth.Token, name == "CODERCLAW_GATEWAY_TOKEN"
			}
			observeSecrets(*g, o)
		}, nil},
		{"token in a process", func(_ *testing.T, _ *Target, o *Observation) {
			o.Secrets.Processes = []SecretProcess{{"CODERCLAW_GATEWAY_TOKEN", 7}}
		}, []Code{TokenProcess}},
		{"device token known", devices(`{"d1": {"tokens": {"operator": {"token": "`+canary+`"}}}}`, own), nil},
		{"device token changed", devices(`{"d1": {"tokens": {"operator": {"token": "other-`+canary+`"}}}}`, own), []Code{DeviceTokenStale}},
		{"device token revoked", devices(`{"d1": {"tokens": {"operator": {"token": "`+canary+`", "revokedAtMs": 5}}}}`, own), []Code{DeviceTokenStale}},
		{"device token of another gateway", devices(`{}`, own), nil},
		{"devices damaged", devices("{", own), []Code{DevicesDamaged}},
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	o := Observation{secretsKnown: []string{"sesame-open", "s", "sesame-open-now", "api"}}
	for text, want := range map[string]bool{ // whether it stays
		"plain text with api words": true, "--profile dev --port 1": true, "TOKEN=(secret, sha256 1234…)": true, "see --token": true,
		"x sesame-open y": false, "x sesame-open-now y": false, "--token abc": false, "--token=abc": false, `--password "a b"`: false, "--auth-token 'a b'": false,
		"A_TOKEN=abc": false, `MY_API_KEY="a b" X=1`: false,
	} {
		got := o.redact(Finding{Have: text, Message: text}).Have
		if (got == text) != want || !want && (strings.Contains(got, "abc") || strings.Contains(got, "a b") || strings.Contains(got, "sesame") || strings.Contains(got, "-now")) {
			t.Errorf("%q became %q", text, got)
		}
	}
}
