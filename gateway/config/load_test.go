package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// vars makes a lookup of pairs.
func vars(pairs ...string) func(string) (string, bool) {
	m := map[string]string{"HOME": "/home/kim"}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

// write makes files below a fresh directory and returns the path of the first.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, files[0])
}

func load(t *testing.T, path string, lookup func(string) (string, bool)) *Snapshot {
	t.Helper()
	s, err := Load(path, lookup)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lines prints problems with the directory of the root file left out.
func lines(s *Snapshot, list []Problem) string {
	var b strings.Builder
	for _, p := range list {
		b.WriteString(p.String() + "\n")
	}
	return strings.ReplaceAll(b.String(), filepath.Dir(s.Path)+string(filepath.Separator), "")
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	s := load(t, filepath.Join(t.TempDir(), "coderclaw.json"), nil)
	want := Config{Gateway: Gateway{Bind: "loopback", TLS: TLS{AutoGenerate: true}, Tailscale: Tailscale{Mode: "off"}}, Logging: Logging{Level: "info", ConsoleLevel: "info"},
		Agents: Agents{Defaults: AgentDefaults{Heartbeat: Heartbeat{Every: "30m", Pause: 30 * time.Minute, Target: "last", AckMaxChars: 300}}}, Discovery: Discovery{MDNS: "off"}}
	if diff := cmp.Diff(want, s.Config); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	empty := sha256.Sum256(nil)
	if s.Exists || !s.Valid() || s.Err() != nil || s.Hash != hex.EncodeToString(empty[:]) {
		t.Errorf("exists %v, valid %v, err %v, hash %s", s.Exists, s.Valid(), s.Err(), s.Hash)
	}
}

func TestLoadEverythingRead(t *testing.T) {
	t.Parallel()
	path := write(t, "coderclaw.json", `// mine
{
  $schema: "x", meta: { lastTouchedVersion: "1" },
  env: { vars: { TOK: "from vars", PASS: "p1" }, TOK: "from env" },
  gateway: {
    port: 0x4965, mode: 'local', bind: "custom", customBindHost: "192.168.1.9",
    auth: { mode: "token", token: "${TOK}-$${TOK}-$5", password: "${PASS}", rateLimit: { maxAttempts: 3, exemptLoopback: false },
      allowTailscale: false, trustedProxy: { userHeader: "x-user", requiredHeaders: ["x-a"], allowUsers: ["kim"] } },
    tailscale: { mode: "serve", resetOnExit: true },
    controlUi: { allowedOrigins: ["https://a.example"], allowInsecureAuth: true, dangerouslyDisableDeviceAuth: true },
    trustedProxies: ["10.0.0.1", "10.0.0.0/8"],
    tls: { enabled: true, autoGenerate: false, certPath: "~/c.pem", keyPath: "/k.pem" },
    remote: { url: "wss://h:1", token: "rt", password: "rp", tlsFingerprint: "abababababababababababababababababababababababababababababababab", sshTarget: "me@h", sshIdentity: "~/k" },
  },
  logging: { level: "debug", consoleLevel: "warn" },
  discovery: { mdns: { mode: "full" } },
  agents: { defaults: { workspace: "~/ws", skipBootstrap: true } },
}`)
	s := load(t, path, vars("PASS", "outer", "TOK", ""))
	if !s.Valid() || len(s.Warnings) > 0 {
		t.Fatalf("problems:\n%swarnings:\n%s", lines(s, s.Problems), lines(s, s.Warnings))
	}
	want := Config{
		Gateway: Gateway{
			Port: 18789, Mode: "local", Bind: "custom", CustomBindHost: "192.168.1.9",
			Auth: Auth{Mode: "token", Token: "from env-${TOK}-$5", Password: "outer",
				RateLimit: &RateLimit{MaxAttempts: 3, Window: time.Minute, Lockout: 5 * time.Minute}, AllowTailscale: new(bool),
				TrustedProxy: &TrustedProxy{UserHeader: "x-user", RequiredHeaders: []string{"x-a"}, AllowUsers: []string{"kim"}}},
			Tailscale:      Tailscale{Mode: "serve", ResetOnExit: true},
			ControlUI:      ControlUI{AllowedOrigins: []string{"https://a.example"}, AllowInsecureAuth: true, DangerouslyDisableDeviceAuth: true},
			TrustedProxies: []string{"10.0.0.1", "10.0.0.0/8"},
			TLS:            TLS{Enabled: true, CertPath: "/home/kim/c.pem", KeyPath: "/k.pem"},
			Remote:         Remote{URL: "wss://h:1", Token: "rt", Password: "rp", TLSFingerprint: strings.Repeat("ab", 32), SSHTarget: "me@h", SSHIdentity: "~/k"},
		},
		Logging: Logging{Level: "debug", ConsoleLevel: "warn"},
		Agents:  Agents{Defaults: AgentDefaults{Workspace: filepath.FromSlash("/home/kim/ws"), SkipBootstrap: true, Heartbeat: Heartbeat{Every: "30m", Pause: 30 * time.Minute, Target: "last", AckMaxChars: 300}}},

		Discovery: Discovery{MDNS: "full"},
	}
	if diff := cmp.Diff(want, s.Config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, src, want string }{
		{"broken JSON5", "{\n  gateway: {\n    port 1\n}}", "coderclaw.json:3:10: expected ':' after the key \"port\", found '1'\n"},
		{"duplicate key", "{\n gateway: {},\n gateway: {}\n}", "coderclaw.json:3:2: duplicate key \"gateway\": on line 2 and again on line 3\n"},
		{"empty", "", "coderclaw.json:1:1: expected a value, found nothing but blanks and comments\n"},
		{"no object", "[]", "coderclaw.json:1:1: the file must hold an object, holds an array; begin it with { and end it with }\n"},
		{"unknown key", "{\n  gateway: {\n    prot: 1,\n  }\n}", "coderclaw.json:3:5: gateway.prot: unknown key; did you mean \"port\"?\n"},
		{"unknown key, other case", "{Gateway: {}}", "coderclaw.json:1:2: Gateway: unknown key; did you mean \"gateway\"?\n"},
		{"unknown key, nothing near", `{"a.b": 1}`, "coderclaw.json:1:2: a\\.b: unknown key; remove it\n"},
		{"unknown key in a list", `{agents: {list: [{id: "a"}, {idd: "b"}]}}`,
			"coderclaw.json:1:30: agents.list[1].idd: unknown key; did you mean \"id\"?\n"},
		{"unknown channel", `{channels: {telegramm: {}}}`, "coderclaw.json:1:13: channels.telegramm: unknown channel id: telegramm; did you mean \"telegram\"?\n"},
		{"moved key", `{telegram: {}, agent: {}}`, "coderclaw.json:1:2: telegram: this key has moved; use channels.telegram instead\n" +
			"coderclaw.json:1:16: agent: this key has moved; use agents.defaults instead\n"},
		{"gateway.token", "{gateway: {token: 's3cret'}}",
			"coderclaw.json:1:12: gateway.token: Found \"gateway.token\" in config. Use \"gateway.auth.token\" instead. Move its value there and remove the old key.\n"},
		{"port too high", "{\n  gateway: { port: 70000 }\n}", "coderclaw.json:2:20: gateway.port: must be a whole number from 1 to 65535, is 70000\n"},
		{"port not whole", "{gateway: {port: 1.5}}", "coderclaw.json:1:18: gateway.port: must be a whole number from 1 to 65535, is 1.5\n"},
		{"port zero", "{gateway: {port: 0}}", "coderclaw.json:1:18: gateway.port: must be a whole number from 1 to 65535, is 0\n"},
		{"port as text", "{gateway: {port: '18789'}}", "coderclaw.json:1:18: gateway.port: must be a whole number from 1 to 65535, is \"18789\"\n"},
		{"port infinite", "{gateway: {port: Infinity}}", "coderclaw.json:1:18: gateway.port: must be a whole number from 1 to 65535, is +Inf\n"},
		{"null", "{gateway: null}", "coderclaw.json:1:11: gateway: must be an object {...}, is null\n"},
		{"enum", "{gateway: {mode: 'locl', bind: 'all'}}",
			"coderclaw.json:1:18: gateway.mode: must be \"local\" or \"remote\", is \"locl\"; did you mean \"local\"?\n" +
				"coderclaw.json:1:32: gateway.bind: must be \"loopback\", \"auto\", \"lan\", \"tailnet\" or \"custom\", is \"all\"\n"},
		{"bool", "{gateway: {controlUi: {allowInsecureAuth: 'yes'}}}",
			"coderclaw.json:1:43: gateway.controlUi.allowInsecureAuth: must be true or false, is \"yes\"\n"},
		{"list", "{gateway: {trustedProxies: '10.0.0.1'}}", "coderclaw.json:1:28: gateway.trustedProxies: must be a list [...], is \"10.0.0.1\"\n"},
		{"list item", "{gateway: {trustedProxies: ['10.0.0.1', 'proxy'], controlUi: {allowedOrigins: [1]}}}",
			"coderclaw.json:1:41: gateway.trustedProxies[1]: \"proxy\" is neither an IP address nor a CIDR range; write it like 10.0.0.1 or 10.0.0.0/8\n" +
				"coderclaw.json:1:80: gateway.controlUi.allowedOrigins[0]: must be text in quotes, is 1\n"},
		{"secret of the wrong type", "{gateway: {auth: {token: 12345, password: ['pw']}}}",
			"coderclaw.json:1:26: gateway.auth.token: must be text in quotes, is a number\n" +
				"coderclaw.json:1:43: gateway.auth.password: must be text in quotes, is a list\n"},
		{"rate limit", "{gateway: {auth: {rateLimit: {maxAttempts: 0, windowMs: -1}}}}",
			"coderclaw.json:1:44: gateway.auth.rateLimit.maxAttempts: must be a whole number from 1 to 1000000, is 0\n" +
				"coderclaw.json:1:57: gateway.auth.rateLimit.windowMs: must be a whole number from 1 to 1000000000000, is -1\n"},
		{"bind host", "{gateway: {bind: 'custom', customBindHost: 'localhost'}}",
			"coderclaw.json:1:44: gateway.customBindHost: \"localhost\" is not an IP address; write it like 192.168.1.10\n"},
		{"bind everywhere", "{gateway: {bind: 'custom', customBindHost: '::'}}",
			"coderclaw.json:1:44: gateway.customBindHost: :: means every interface; if that is wanted, set gateway.bind to \"lan\"\n"},
		{"tls", "{gateway: {tls: {enabled: true, certPath: '/c', other: 1}}}", "coderclaw.json:1:17: gateway.tls: certPath and keyPath belong together; give both, or neither\n"},
		{"fingerprint", "{gateway: {remote: {tlsFingerprint: 'ab:cd'}}}", "coderclaw.json:1:37: gateway.remote.tlsFingerprint: \"ab:cd\" is no SHA-256 fingerprint of a certificate: want 64 hex digits; " +
			"copy it from: coderclaw gateway status\n"},
		{"tailscale", "{gateway: {tailscale: {mode: 'funel'}}}",
			"coderclaw.json:1:30: gateway.tailscale.mode: must be \"off\", \"serve\" or \"funnel\", is \"funel\"; did you mean \"funnel\"?\n"},
		{"trusted proxy", "{gateway: {auth: {trustedProxy: {userHeaders: 'x'}}}}",
			"coderclaw.json:1:34: gateway.auth.trustedProxy.userHeaders: unknown key; did you mean \"userHeader\"?\n"},
		{"remote url", "{gateway: {remote: {url: 'http://h'}}}", "coderclaw.json:1:26: gateway.remote.url: must be a WebSocket address; write it like ws://host:18789 or wss://host\n"},
		{"log level", "{logging: {level: 'verbose'}}",
			"coderclaw.json:1:19: logging.level: must be \"silent\", \"fatal\", \"error\", \"warn\", \"info\", \"debug\" or \"trace\", is \"verbose\"\n"},
		{"workspace", "{agents: {defaults: {workspace: 'ws'}}}", "coderclaw.json:1:33: agents.defaults.workspace: must be an absolute path, is \"ws\"; begin it with / or ~/\n"},
		{"type in a key without effect", "{session: {scope: 'all', idleMinutes: 0}}",
			"coderclaw.json:1:19: session.scope: must be \"per-sender\" or \"global\", is \"all\"\n" +
				"coderclaw.json:1:39: session.idleMinutes: must be a whole number of 1 or more, is 0\n"},
		{"short texts", "{ui: {seamColor: 'red', assistant: {name: '" + strings.Repeat("ü", 51) + "'}}, talk: {voiceId: null}}",
			"coderclaw.json:1:18: ui.seamColor: must be a colour; write it like #33aaff\n" +
				"coderclaw.json:1:43: ui.assistant.name: must have at most 50 characters\n" +
				"coderclaw.json:1:116: talk.voiceId: must be text in quotes, is null\n"},
		{"env", "{env: {A: 1, vars: {B: true}}}", "coderclaw.json:1:11: env.A: must be text in quotes, is a number\n" +
			"coderclaw.json:1:24: env.vars.B: must be text in quotes, is a boolean\n"},
		{"missing variable", "{\n gateway: { trustedProxies: ['10.0.0.1', '${NO_SUCH}'] } }",
			"coderclaw.json:2:42: gateway.trustedProxies[1]: Missing env var \"NO_SUCH\" referenced at config path: gateway.trustedProxies[1]; " +
				"put NO_SUCH=… into the file .env of the state dir (mode 0600), or name it in pass_env of the profile\n"},
		{"variable of the wrong type", "{gateway: {mode: '${SECRET}'}}", "coderclaw.json:1:18: gateway.mode: must be \"local\" or \"remote\", is a text that is not shown\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := load(t, write(t, "coderclaw.json", tt.src), vars("SECRET", "locals"))
			if got := lines(s, s.Problems); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
			err := s.Err()
			invalid, ok := errors.AsType[*InvalidError](err)
			if !ok || exitcode.Of(err) != exitcode.Config || len(invalid.Problems) != len(s.Problems) {
				t.Errorf("Err() = %v, exit code %d", err, exitcode.Of(err))
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	s := load(t, write(t, "coderclaw.json", `{
  gateway: {
    reload: { mode: "off", debounceMs: 1 },
    tls: { enabled: false, caPath: "/ca", whatever: [] },
    auth: { allowTailscale: true },
    tailscale: { mode: "off" },
  },
  agents: {
    defaults: { model: { primary: "a/b" }, heartbeat: { every: "1h", session: "x" } },
    list: [ { id: "main", model: "x" } ],
  },
  channels: { telegram: { botToken: "x", anything: { goes: 1 } } },
  broadcast: { strategy: "parallel", "123": ["main"] },
  env: { shellEnv: { enabled: true } },
  hooks: { mappings: [ { match: { own: 1 } } ], internal: { entries: { a: { b: 1 } } } },
  commands: { native: true, nativeSkills: "auto" },
  cron: { sessionRetention: false },
  wizard: { x: 1 },
}`), nil)
	want := `coderclaw.json:3:5: gateway.reload: has no effect in this version
coderclaw.json:4:28: gateway.tls.caPath: has no effect in this version
coderclaw.json:9:17: agents.defaults.model: has no effect in this version
coderclaw.json:9:70: agents.defaults.heartbeat.session: has no effect in this version
coderclaw.json:10:5: agents.list: has no effect in this version
coderclaw.json:12:3: channels: has no effect in this version
coderclaw.json:13:3: broadcast: has no effect in this version
coderclaw.json:14:10: env.shellEnv: has no effect in this version
coderclaw.json:15:3: hooks: has no effect in this version
coderclaw.json:16:3: commands: has no effect in this version
coderclaw.json:17:3: cron: has no effect in this version
`
	if got := lines(s, s.Warnings); got != want || !s.Valid() {
		t.Errorf("problems:\n%swarnings:\n%swant\n%s", lines(s, s.Problems), got, want)
	}
}

func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Load(dir, nil)
	if err == nil || exitcode.Of(err) != exitcode.Config || !strings.HasSuffix(err.Error(), dir+": not a regular file") {
		t.Errorf("Load of a directory: %v, exit code %d", err, exitcode.Of(err))
	}
	big := write(t, "big.json", strings.Repeat(" ", maxFile+1))
	if _, err := Load(big, nil); err == nil || !strings.HasSuffix(err.Error(), "larger than 4 MiB") {
		t.Errorf("Load of a huge file: %v", err)
	}
}

func TestTextFormsHideSecrets(t *testing.T) {
	t.Parallel()
	cfg := Config{Gateway: Gateway{Auth: Auth{Token: "s3cret", Password: "s3cret"}, Remote: Remote{Token: "s3cret", Password: "s3cret"}}}
	js, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "auth", cfg.Gateway.Auth, "remote", cfg.Gateway.Remote, "all", cfg)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "auth", cfg.Gateway.Auth, "all", cfg)
	for _, text := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), string(js), log.String()} {
		if strings.Contains(text, "s3cret") || !strings.Contains(text, Sentinel) {
			t.Errorf("secret shown, or not marked: %s", text)
		}
	}
}

// FuzzLoad holds that no bytes make Load panic or fail, and that a valid file decodes
// to values inside their ranges.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{gateway:{port:1,auth:{token:"${A}"}},env:{A:"x"}}`))
	f.Add([]byte(`{"$include":["a.json","coderclaw.json"],gateway:{"$include":5}}`))
	f.Add([]byte(`{channels:{x:1},agents:{list:[{id:[]}]},"":{"":null}}`))
	f.Add(Skeleton("t"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		s, err := parse(filepath.Join(dir, "coderclaw.json"), raw, true, vars("A", "1"))
		if err != nil {
			t.Fatal(err)
		}
		if p := s.Config.Gateway.Port; s.Valid() && (p < 0 || p > 65535) {
			t.Errorf("%q: port %d", raw, p)
		}
		for _, p := range append(s.Problems, s.Warnings...) {
			if p.Line < 1 || p.Col < 1 || p.Message == "" {
				t.Errorf("%q: %+v", raw, p)
			}
		}
		if _, _, err := s.Get("gateway.port"); err != nil {
			t.Error(err)
		}
		Redacted(s.View())
	})
}
