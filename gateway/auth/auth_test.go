package auth_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cfg   config.Auth
		env   func(string) (string, bool)
		flags auth.Flags
		mode  string
		token string
		code  exitcode.Code
	}{
		"config token":          {cfg: config.Auth{Token: "a"}, mode: "token", token: "a"},
		"config beats env":      {cfg: config.Auth{Token: "a"}, env: env(config.EnvToken, "b"), mode: "token", token: "a"},
		"env token":             {env: env(config.EnvToken, "b"), mode: "token", token: "b"},
		"flag beats both":       {cfg: config.Auth{Token: "a"}, env: env(config.EnvToken, "b"), flags: auth.Flags{Token: "c"}, mode: "token", token: "c"},
		"password":              {cfg: config.Auth{Password: "p"}, mode: "password"},
		"flag mode":             {cfg: config.Auth{Token: "a", Password: "p"}, flags: auth.Flags{Mode: "token"}, mode: "token", token: "a"},
		"nothing":               {code: exitcode.Auth},
		"token without one":     {cfg: config.Auth{Mode: "token"}, code: exitcode.Auth},
		"password without one":  {flags: auth.Flags{Mode: "password"}, cfg: config.Auth{Token: "a"}, code: exitcode.Auth},
		"none in so many words": {cfg: config.Auth{Mode: "none"}, mode: "none"},
	} {
		if tc.env == nil {
			tc.env = env()
		}
		s, err := auth.Resolve(config.Gateway{Auth: tc.cfg}, tc.env, tc.flags)
		if exitcode.Of(err) != tc.code || s.Mode != tc.mode || tc.token != "" && s.Token != tc.token {
			t.Errorf("%s: got %q token %q, %v", name, s.Mode, s.Token, err)
		}
	}
}

// TestSettingsHideTheirSecrets: however they are printed or logged.
func TestSettingsHideTheirSecrets(t *testing.T) {
	t.Parallel()
	s := auth.Settings{Mode: "token", Token: "hush", Password: "quiet"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "settings", s)
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%s", []any{&s}), log.String()} {
		if !strings.Contains(text, "mode token") || strings.Contains(text, "hush") || strings.Contains(text, "quiet") {
			t.Errorf("shows %s", text)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	token, password := auth.Settings{Mode: "token", Token: "t"}, auth.Settings{Mode: "password", Password: "p"}
	for _, tc := range []struct {
		s               auth.Settings
		token, password string
		ok              bool
		reason          string
	}{
		{token, "t", "", true, ""},
		{token, "", "p", false, auth.ReasonTokenMissing},
		{token, "x", "", false, auth.ReasonTokenMismatch},
		{password, "", "p", true, ""},
		{password, "t", "", false, auth.ReasonPasswordMissing},
		{password, "", "x", false, auth.ReasonPasswordMismatch},
		{auth.Settings{Mode: "none"}, "t", "p", false, auth.ReasonOther},
		{auth.Settings{Mode: "token"}, "", "", false, auth.ReasonTokenMissingConfig},
		{auth.Settings{Mode: "token"}, "x", "", false, auth.ReasonTokenMissingConfig},
		{auth.Settings{Mode: "password"}, "", "x", false, auth.ReasonPasswordMissingConfig},
	} {
		g := auth.NewGate(tc.s, auth.Rotations{}, nil, time.Now, slog.New(slog.DiscardHandler))
		got := g.Judge(t.Context(), auth.Claim{Token: tc.token, Password: tc.password})
		if got != (auth.Verdict{OK: tc.ok, Shared: tc.ok, Reason: tc.reason}) {
			t.Errorf("%v with %q, %q: got %+v", tc.s, tc.token, tc.password, got)
		}
	}
	cli := protocol.ClientInfo{ID: "cli", Mode: "cli"}
	if got := auth.Message(auth.ReasonTokenMismatch, cli); got != "unauthorized: gateway token mismatch (set gateway.remote.token to match gateway.auth.token)" {
		t.Errorf("got %q", got)
	}
}

func TestTrustedProxy(t *testing.T) {
	t.Parallel()
	proxy := &config.TrustedProxy{UserHeader: "X-User", RequiredHeaders: []string{"X-Forwarded-Proto"}, AllowUsers: []string{"kim"}}
	full := auth.Settings{Mode: "trusted-proxy", Proxy: proxy, TrustedProxies: []string{"10.0.0.0/8", "fd00::/8", "192.0.2.1"}, Token: "t"}
	with := []string{"X-User", "kim", "X-Forwarded-Proto", "https"}
	noBlock, noProxies, anybody := full, full, full
	noBlock.Proxy, noProxies.TrustedProxies = nil, nil
	anybody.Proxy = &config.TrustedProxy{UserHeader: "x-user"}
	for name, tc := range map[string]struct {
		s      auth.Settings
		r      *http.Request
		reason string
	}{
		"exact address":     {full, request("192.0.2.1:9", "h", with...), ""},
		"range":             {full, request("10.9.9.9:9", "h", with...), ""},
		"range of IPv6":     {full, request("[fd12::7]:9", "h", with...), ""},
		"mapped":            {full, request("[::ffff:10.1.1.1]:9", "h", with...), ""},
		"every user":        {anybody, request("10.0.0.1:9", "h", "X-User", "sam"), ""},
		"no block":          {noBlock, request("10.0.0.1:9", "h", with...), "trusted_proxy_config_missing"},
		"no proxies":        {noProxies, request("10.0.0.1:9", "h", with...), "trusted_proxy_no_proxies_configured"},
		"somebody else":     {full, request("198.51.100.7:9", "h", with...), "trusted_proxy_untrusted_source"},
		"this machine":      {full, request("127.0.0.1:9", "h", with...), "trusted_proxy_untrusted_source"},
		"missing header":    {full, request("10.0.0.1:9", "h", "X-User", "kim"), "trusted_proxy_missing_header_x-forwarded-proto"},
		"blank header":      {full, request("10.0.0.1:9", "h", "X-User", "kim", "X-Forwarded-Proto", " "), "trusted_proxy_missing_header_x-forwarded-proto"},
		"no user":           {full, request("10.0.0.1:9", "h", "X-Forwarded-Proto", "https"), "trusted_proxy_user_missing"},
		"blank user":        {full, request("10.0.0.1:9", "h", "X-Forwarded-Proto", "https", "X-User", " "), "trusted_proxy_user_missing"},
		"user not wanted":   {full, request("10.0.0.1:9", "h", "X-Forwarded-Proto", "https", "X-User", "Kim"), "trusted_proxy_user_not_allowed"},
		"two users":         {full, request("10.0.0.1:9", "h", append(with, "X-User", "sam")...), "trusted_proxy_user_not_allowed"},
		"user of two words": {full, request("10.0.0.1:9", "h", "X-Forwarded-Proto", "https", "X-User", "kim sam"), "trusted_proxy_user_not_allowed"},
	} {
		g := auth.NewGate(tc.s, auth.Rotations{}, nil, time.Now, slog.New(slog.DiscardHandler))
		got := g.Judge(t.Context(), auth.Claim{Request: tc.r, Peer: auth.PeerOf(tc.r, tc.s.TrustedProxies), Token: "t"})
		if got != (auth.Verdict{OK: tc.reason == "", Reason: tc.reason}) {
			t.Errorf("%s: got %+v", name, got)
		}
		if tc.reason != "" && auth.Message(got.Reason, protocol.ClientInfo{Mode: "cli"}) != "unauthorized" {
			t.Errorf("%s: a stranger is told %q", name, auth.Message(got.Reason, protocol.ClientInfo{Mode: "cli"}))
		}
	}
}

func request(remote, host string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr, r.Host = remote, host
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestPeerOf(t *testing.T) {
	t.Parallel()
	trusted := []string{"10.0.0.0/8", "192.0.2.1", "fd00::/8", "::ffff:203.0.113.0/120"}
	for name, tc := range map[string]struct {
		r      *http.Request
		local  bool
		report string
	}{
		"loopback":                {request("127.0.0.1:5", "localhost:18789"), true, ""},
		"mapped":                  {request("[::ffff:127.0.0.1]:5", "127.0.0.1:1"), true, ""},
		"ipv6":                    {request("[::1]:5", "[::1]:18789"), true, ""},
		"foreign name":            {request("127.0.0.1:5", "evil.example"), false, ""},
		"remote":                  {request("198.51.100.7:5", "localhost"), false, "198.51.100.7"},
		"untrusted proxy":         {request("127.0.0.1:5", "localhost", "X-Forwarded-For", "127.0.0.1"), false, ""},
		"trusted proxy":           {request("10.1.2.3:5", "localhost", "X-Forwarded-For", "198.51.100.9, 10.9.9.9"), false, "198.51.100.9"},
		"trusted, client lo":      {request("192.0.2.1:5", "x.ts.net", "X-Real-Ip", "127.0.0.1"), true, ""},
		"range of IPv6":           {request("[fd00::1]:5", "localhost", "X-Forwarded-For", "2001:db8::7"), false, "2001:db8::7"},
		"mapped range":            {request("203.0.113.9:5", "localhost", "X-Forwarded-For", "198.51.100.9"), false, "198.51.100.9"},
		"client says it's lo":     {request("10.1.2.3:5", "localhost", "X-Forwarded-For", "127.0.0.1, 198.51.100.9"), false, ""},
		"it says so to X-Real-IP": {request("192.0.2.1:5", "localhost", "X-Forwarded-For", "127.0.0.1", "X-Real-Ip", "198.51.100.9"), false, ""},
		"both say lo":             {request("192.0.2.1:5", "localhost", "X-Forwarded-For", "127.0.0.1", "X-Real-Ip", "127.0.0.1"), true, ""},
		"an empty line first":     {request("127.0.0.1:5", "localhost", "X-Forwarded-Host", "", "X-Forwarded-Host", "evil.example"), false, ""},
		"the standard's header":   {request("127.0.0.1:5", "localhost", "Forwarded", "for=198.51.100.9"), false, ""},
		"remote says it's lo":     {request("198.51.100.7:5", "localhost", "X-Real-Ip", "127.0.0.1"), false, ""},
	} {
		if got := auth.PeerOf(tc.r, trusted); got.Local != tc.local || got.Report != tc.report {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestOriginAndHost(t *testing.T) {
	t.Parallel()
	ui := protocol.ClientInfo{ID: protocol.ControlUI, Mode: "webchat"}
	for _, tc := range []struct {
		host, origin string
		want         bool
	}{
		{"gw:18789", "http://gw:18789", true},
		{"127.0.0.1:18789", "http://localhost:5173", true},
		{"gw:18789", "http://evil.example", false},
		{"gw:18789", "", false},
		{"gw:18789", "null", false},
		{"gw:18789", "https://OK.example", true},
	} {
		r := request("127.0.0.1:1", tc.host, "Origin", tc.origin)
		if got := auth.OriginAllowed(r, ui, []string{" https://ok.example "}); got != tc.want {
			t.Errorf("%s from %q: %v", tc.host, tc.origin, got)
		}
		if !auth.OriginAllowed(r, protocol.ClientInfo{ID: "cli", Mode: "cli"}, nil) {
			t.Error("the origin of a CLI counts")
		}
	}
	for host, want := range map[string]bool{
		"localhost:1": true, "127.0.0.1": true, "[::1]:18789": true, "x.localhost": true, "box.tail.ts.net": true,
		"192.168.1.4:18789": true, "evil.example": false, "ok.example": true, "": true,
	} {
		if got := auth.HostAllowed(host, []string{"https://ok.example:8443"}); got != want {
			t.Errorf("host %q: %v", host, got)
		}
	}
}

func TestPairing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.UnixMilli(1_700_000_000_000)
	clock := func() time.Time { return now }
	d := auth.NewDevices(dir, clock)
	c := auth.Connect{DeviceID: "d1", PublicKey: "k1", ClientID: "cli", Role: "operator", Scopes: []string{"b", "a"}, Silent: true}

	out, err := d.Pair(c)
	if err != nil || !out.Paired || !out.Silent {
		t.Fatalf("silent pairing: %+v, %v", out, err)
	}
	tok, err := d.EnsureToken("d1", "operator", []string{"a"})
	if err != nil || tok == nil || strings.Join(tok.Scopes, ",") != "a,b" {
		t.Fatalf("token %+v, %v", tok, err)
	}
	file := filepath.Join(dir, "devices", "paired.json")
	before, err := os.Stat(file)
	if err != nil || before.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", before.Mode(), err)
	}

	d = auth.NewDevices(dir, clock) // as after a restart
	if out, err := d.Pair(c); err != nil || !out.Paired || out.Created {
		t.Errorf("known device: %+v, %v", out, err)
	}
	if after, _ := os.Stat(file); !after.ModTime().Equal(before.ModTime()) {
		t.Error("a connect that changes nothing wrote the file")
	}
	for _, tc := range []struct {
		id, role, token string
		scopes          []string
		want            bool
	}{
		{"d1", "operator", tok.Token, []string{"a"}, true},
		{"d1", "operator", tok.Token, []string{"a", "c"}, false},
		{"d1", "node", tok.Token, nil, false},
		{"d2", "operator", tok.Token, nil, false},
		{"d1", "operator", "", nil, false},
		{"d2", "operator", "", nil, false},
	} {
		if ok, err := d.VerifyToken(tc.id, tc.role, tc.token, tc.scopes); err != nil || ok != tc.want {
			t.Errorf("%+v: %v, %v", tc, ok, err)
		}
	}

	c.Scopes, c.Silent = []string{"a", "c"}, false
	out, err = d.Pair(c)
	if err != nil || out.Paired || !out.Created || out.Request == nil || !out.Request.IsRepair {
		t.Fatalf("a remote request for more: %+v, %v", out, err)
	}
	again, err := d.Pair(c)
	if err != nil || again.Created || again.RequestID != out.RequestID {
		t.Errorf("asked twice: %+v, %v", again, err)
	}
	c.Silent = true
	if got, _ := d.Pair(c); got.Paired {
		t.Error("an open request does not block a silent one")
	}
	now = now.Add(auth.PendingTTL + time.Second)
	if got, err := d.Pair(c); err != nil || !got.Paired {
		t.Errorf("after the request expired: %+v, %v", got, err)
	}
	c.PublicKey = "other"
	c.Silent = false
	if got, _ := d.Pair(c); got.Paired {
		t.Error("another key passes for the device")
	}
}

func TestDamagedStoreIsKept(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"{", `{"d1":null}`, `{"d1":{"deviceId":"d2"}}`, `{"d1":{"deviceId":"d1","tokens":{"operator":null}}}`} {
		dir := t.TempDir()
		file := filepath.Join(dir, "devices", "paired.json")
		if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d := auth.NewDevices(dir, time.Now)
		if _, err := d.Pair(auth.Connect{DeviceID: "d1", Role: "operator", Silent: true}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", text, err)
		}
		if got, _ := os.ReadFile(file); string(got) != text {
			t.Errorf("%s became %s", text, got)
		}
	}
}

// TestWhatFailedHasNotHappened: a change that could not be written down does not hold
// until the gateway ends, and then no more.
func TestWhatFailedHasNotHappened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := auth.NewDevices(dir, time.Now)
	connect := func(id string, silent bool) auth.Connect {
		return auth.Connect{DeviceID: id, PublicKey: "k", Role: "operator", Scopes: []string{"operator.read"}, Silent: silent}
	}
	if _, err := d.Pair(connect("old", true)); err != nil {
		t.Fatal(err)
	}
	waits, err := d.Pair(connect("new", false))
	if err != nil {
		t.Fatal(err)
	}
	all := func() string {
		t.Helper()
		pending, paired, err := d.List()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal([]any{pending, paired})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	before := all()
	away := filepath.Join(dir, "away")
	if err := os.Rename(filepath.Join(dir, "devices"), away); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "devices"), nil, 0o600); err != nil { // nothing can be written below it
		t.Fatal(err)
	}
	may := func([]string) error { return nil }
	for name, do := range map[string]func() error{
		"approve": func() error {
			_, err := d.Approve(waits.RequestID, func(auth.Pending) error { return nil })
			return err
		},
		"reject":  func() error { _, err := d.Reject(waits.RequestID); return err },
		"remove":  func() error { return d.Remove("old") },
		"rotate":  func() error { _, err := d.Rotate("old", "operator", []string{}, may); return err },
		"revoke":  func() error { _, err := d.Revoke("old", "operator"); return err },
		"request": func() error { _, err := d.Pair(connect("third", false)); return err },
		"silent":  func() error { _, err := d.Pair(connect("fourth", true)); return err },
		"token": func() error {
			_, err := d.EnsureToken("old", "operator", []string{"operator.admin"})
			return err
		},
	} {
		if err := do(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got := all(); got != before {
			t.Errorf("%s: %s; want %s", name, got, before)
		}
	}
	// What a device says of itself gives it nothing, and is no reason to turn it away.
	other := connect("old", false)
	other.ClientMode = "probe"
	if out, err := d.Pair(other); err != nil || !out.Paired || out.Unsaved == nil {
		t.Errorf("a paired device with another description: %+v, %v", out, err)
	}
}

// TestOverdue: a request does not wait for years because the clock was wrong when it came.
func TestOverdue(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	for after, want := range map[time.Duration]bool{0: false, auth.PendingTTL: false, auth.PendingTTL + time.Millisecond: true, -time.Minute: false, -auth.PendingTTL - time.Millisecond: true} {
		if got := auth.Overdue(now, now.Add(-after).UnixMilli()); got != want {
			t.Errorf("after %v: %v", after, got)
		}
	}
}

// TestPairAgainWhenTheClockIsRight: a request of a clock that ran ahead does not stand in
// the way of the next.
func TestPairAgainWhenTheClockIsRight(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	d := auth.NewDevices(t.TempDir(), func() time.Time { return now })
	c := auth.Connect{DeviceID: "d", PublicKey: "k", Role: "operator"}
	first, err := d.Pair(c)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(-24 * time.Hour)
	second, err := d.Pair(c)
	if err != nil || !second.Created || second.RequestID == first.RequestID {
		t.Errorf("%+v, %v", second, err)
	}
}
