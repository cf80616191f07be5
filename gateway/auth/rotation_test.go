package auth_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

// rotating is a profile whose token a test rotates.
type rotating struct {
	t       *testing.T
	profile profiles.Profile
	env     func(string) (string, bool)
	now     time.Time
	reads   atomic.Int32 // of the config, by gates
}

func newRotating(t *testing.T, text string) *rotating {
	t.Helper()
	dir := t.TempDir()
	r := &rotating{t: t, env: env(), now: time.UnixMilli(1_700_000_000_000),
		profile: profiles.Profile{Name: "dev", StateDir: dir, ConfigPath: filepath.Join(dir, "coderclaw.json")}}
	r.write(text)
	return r
}

func (r *rotating) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.profile.ConfigPath, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rotating) clock() time.Time { return r.now }

// gate is that of a gateway which starts now, and the token with which it does.
func (r *rotating) gate() (*auth.Gate, string) {
	r.t.Helper()
	load := func() (config.Gateway, error) {
		s, err := config.LoadProfile(r.profile, r.env)
		return s.Config.Gateway, err
	}
	gw, err := load()
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := auth.Resolve(gw, r.env, auth.Flags{})
	if err != nil {
		r.t.Fatal(err)
	}
	follow := auth.Rotations{File: auth.RotationFile(r.profile.StateDir), Config: r.profile.ConfigPath, Token: func() (string, error) {
		r.reads.Add(1)
		gw, err := load()
		return gw.Auth.Token, err
	}}
	return auth.NewGate(s, follow, nil, r.clock, slog.New(slog.DiscardHandler)), s.Token
}

func (r *rotating) rotate(grace time.Duration) (auth.Rotated, error) {
	return auth.RotateToken(r.t.Context(), r.profile, r.env, grace, r.now)
}

// token is what the config holds now.
func (r *rotating) token() string {
	r.t.Helper()
	s, err := config.LoadProfile(r.profile, r.env)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Config.Gateway.Auth.Token
}

func lets(t *testing.T, g *auth.Gate, token string) bool {
	t.Helper()
	return g.Judge(t.Context(), auth.Claim{Token: token}).OK
}

const before = `// mine
{ gateway: { mode: "local", auth: { mode: 'token', token: 'first' /* keep */ }, }, }
`

// TestRotationOfTheLastGoodConfig: a token that was rotated away does not come back
// with the config on which a gateway is started whose own has become invalid.
func TestRotationOfTheLastGoodConfig(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ good, want string }{
		"the same token": {before, strings.Replace(before, "'first'", `"NEW"`, 1)},
		"another token":  {strings.Replace(before, "first", "other", 1), strings.Replace(before, "first", "other", 1)},
		"a variable":     {strings.Replace(before, "first", "${A}", 1), strings.Replace(before, "first", "${A}", 1)},
		"damaged":        {"{ gateway", "{ gateway"},
		"none":           {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRotating(t, before)
			path := r.profile.LastGoodFile()
			if tc.good != "" {
				if err := os.WriteFile(path, []byte(tc.good), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := r.rotate(time.Minute); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if want := strings.Replace(tc.want, "NEW", r.token(), 1); string(text) != want || err != nil && !(tc.good == "" && errors.Is(err, fs.ErrNotExist)) {
				t.Errorf("%q %v, want %q", text, err, want)
			}
		})
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRotating(t, before)
	running, _ := r.gate()
	if !lets(t, running, "first") || lets(t, running, "other") {
		t.Fatal("before")
	}
	done, err := r.rotate(10 * time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	second := r.token()
	if second == "first" || len(second) != 48 || done.Old != auth.Fingerprint("first") || done.New != auth.Fingerprint(second) || !done.Until.Equal(r.now.Add(10*time.Minute)) {
		t.Errorf("rotated %+v, to %q", done, second)
	}
	text, err := os.ReadFile(r.profile.ConfigPath)
	if want := strings.Replace(before, "'first'", `"`+second+`"`, 1); err != nil || string(text) != want {
		t.Errorf("config\n%s\nwant\n%s%v", text, want, err)
	}
	file := auth.RotationFile(r.profile.StateDir)
	for _, path := range []string{r.profile.ConfigPath, file} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if text, _ := os.ReadFile(file); strings.Contains(string(text), "first") || strings.Contains(string(text), second) {
		t.Errorf("the file holds a token: %s", text)
	}
	if got := auth.InForce(r.profile.StateDir, done.Old, second); got != done.New {
		t.Errorf("in force %s", got)
	}

	restarted, _ := r.gate()
	for name, g := range map[string]*auth.Gate{"running": running, "restarted": restarted} {
		if !lets(t, g, "first") || !lets(t, g, second) || lets(t, g, "other") || lets(t, g, "") {
			t.Errorf("%s gateway, within the grace", name)
		}
	}
	r.now = r.now.Add(5 * time.Minute)
	if _, err := r.rotate(20 * time.Minute); err != nil {
		t.Fatal(err)
	}
	third := r.token()
	late, _ := r.gate()
	for name, g := range map[string]*auth.Gate{"running": running, "restarted": restarted, "restarted later": late} {
		r.now = time.UnixMilli(1_700_000_000_000).Add(10*time.Minute - time.Millisecond)
		if !lets(t, g, "first") || !lets(t, g, second) || !lets(t, g, third) {
			t.Errorf("%s gateway, two rotations within their grace", name)
		}
		r.now = r.now.Add(time.Millisecond)
		if lets(t, g, "first") || !lets(t, g, second) || !lets(t, g, third) {
			t.Errorf("%s gateway, after the first grace", name)
		}
	}
	if _, err := r.rotate(0); err != nil {
		t.Fatal(err)
	}
	for name, g := range map[string]*auth.Gate{"running": running, "restarted": late} {
		if lets(t, g, "first") || lets(t, g, second) || lets(t, g, third) || !lets(t, g, r.token()) {
			t.Errorf("%s gateway, without grace", name)
		}
	}
}

// TestRotationThatDoesNotCount: what was written before a crash, what somebody has
// edited since, and a damaged file let nobody in.
func TestRotationThatDoesNotCount(t *testing.T) {
	t.Parallel()
	r := newRotating(t, before)
	running, _ := r.gate()
	if _, err := r.rotate(time.Hour); err != nil {
		t.Fatal(err)
	}
	second := r.token()
	r.write(before) // as if it had crashed before the config was written
	if restarted, _ := r.gate(); !lets(t, running, "first") || lets(t, running, second) || lets(t, restarted, second) {
		t.Error("a rotation that the config does not follow counts")
	}
	r.write(strings.Replace(before, "first", "by hand", 1))
	if restarted, _ := r.gate(); lets(t, restarted, "first") || lets(t, restarted, second) || !lets(t, restarted, "by hand") {
		t.Error("a token from before an edit by hand counts")
	}
	reads := r.reads.Load()
	for range 10 {
		lets(t, running, "first")
	}
	if n := r.reads.Load() - reads; n > 1 {
		t.Errorf("the config was read %d times for 10 clients", n)
	}
	if !lets(t, running, "first") || lets(t, running, "by hand") {
		t.Error("an edit by hand is taken over without a restart")
	}
	if _, err := r.rotate(time.Hour); err != nil {
		t.Fatal(err)
	}
	if !lets(t, running, "by hand") || !lets(t, running, r.token()) || lets(t, running, "first") || lets(t, running, second) {
		t.Error("a rotation after an edit by hand")
	}
	file := auth.RotationFile(r.profile.StateDir)
	for _, text := range []string{"{", "null", `{"current":"00"}`, `{"version":1,"current":"` + strings.Repeat("0", 64) + `","previous":[{"sha256":"x"}]}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if restarted, token := r.gate(); lets(t, restarted, "by hand") || !lets(t, restarted, token) || !lets(t, running, token) {
			t.Errorf("a file that holds %s", text)
		}
	}
	if _, err := r.rotate(time.Hour); err != nil || !lets(t, running, r.token()) {
		t.Errorf("a damaged file is not replaced: %v", err)
	}
}

func TestRotationRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		env  []string
		want string
		code exitcode.Code
	}{
		"from the environment": {`{gateway: {mode: "local"}}`, []string{config.EnvToken, "t"}, "CODERCLAW_GATEWAY_TOKEN provides it", exitcode.Auth},
		"a variable":           {`{gateway: {mode: "local", auth: {token: "${TOK}"}}}`, []string{"TOK", "t"}, "a variable stands there", exitcode.Auth},
		"an included file":     {`{$include: "more.json5"}`, nil, "an included file holds it", exitcode.Auth},
		"a password":           {`{gateway: {mode: "local", auth: {password: "p"}}}`, nil, "asks for a password", exitcode.Auth},
		"none":                 {`{gateway: {mode: "local"}}`, nil, "coderclaw --profile dev setup", exitcode.Auth},
		"elsewhere":            {`{gateway: {mode: "remote", remote: {url: "wss://far:1"}}}`, nil, "the gateway of this profile runs elsewhere", exitcode.Auth},
		"an invalid config":    {`{gateway: {mode: "local", auth: {token: "t"}, prt: 1}}`, nil, "gateway.prt: unknown key", exitcode.Config},
	} {
		r := newRotating(t, tc.text)
		r.env = env(tc.env...)
		if err := os.WriteFile(filepath.Join(r.profile.StateDir, "more.json5"), []byte(`{gateway: {mode: "local", auth: {token: "t"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := r.rotate(time.Hour)
		if exitcode.Of(err) != tc.code || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if tc.code == exitcode.Auth && !errors.Is(err, config.ErrTokenElsewhere) {
			t.Errorf("%s: %v", name, err)
		}
		if text, _ := os.ReadFile(r.profile.ConfigPath); string(text) != tc.text {
			t.Errorf("%s: the config became %s", name, text)
		}
		if _, err := os.Stat(auth.RotationFile(r.profile.StateDir)); !os.IsNotExist(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := newRotating(t, before)
	if err := os.Remove(r.profile.ConfigPath); err != nil {
		t.Fatal(err)
	}
	if _, err := r.rotate(time.Hour); exitcode.Of(err) != exitcode.Config || !strings.Contains(err.Error(), "Missing config.") {
		t.Errorf("no config: %v", err)
	}
}

// TestRotationsAtOnce: each of those who rotate at once replaces the token of
// another, and all that was ever the token counts.
func TestRotationsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRotating(t, before)
	var all sync.WaitGroup
	var mu sync.Mutex
	olds := map[string]bool{}
	for range 6 {
		all.Go(func() {
			done, err := r.rotate(time.Hour)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || olds[done.Old] {
				t.Errorf("%+v, %v", done, err)
			}
			olds[done.Old] = true
		})
	}
	all.Wait()
	g, token := r.gate()
	if !lets(t, g, "first") || !lets(t, g, token) || olds[auth.Fingerprint(token)] {
		t.Error("a token was lost")
	}
	var file struct{ Previous []any }
	text, err := os.ReadFile(auth.RotationFile(r.profile.StateDir))
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil || len(file.Previous) != 6 {
		t.Errorf("%s, %v", text, err)
	}
}
