//go:build unix

package gateway_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/tailscale"
	"github.com/coderclaw/coderclaw/gateway/tailscale/tailscaletest"
)

// What the matrix is made of: every mode × route × credential × device × scopes is one cell.
var (
	// With "+tailscale" a user of the tailnet is let in too.
	modes = []string{"token", "token+tailscale", "password", "password+tailscale", "none", "trusted-proxy"}

	routes = []route{
		{name: "direct", local: true},
		{name: "by another name", host: "192.0.2.4:18789"},
		{name: "a trusted proxy", proxied: true, report: "198.51.100.9", header: http.Header{"X-Forwarded-For": {"198.51.100.9"}}},
		{name: "a trusted proxy that vouches", proxied: true, report: "198.51.100.9", vouches: true, header: http.Header{"X-Forwarded-For": {"198.51.100.9"}, "X-User": {"kim"}}},
		{name: "a trusted proxy with another user", proxied: true, report: "198.51.100.9", header: http.Header{"X-Forwarded-For": {"198.51.100.9"}, "X-User": {"sam"}}},
		{name: "a trusted proxy, from here", proxied: true, local: true, header: http.Header{"X-Forwarded-For": {"127.0.0.1"}}},
		{name: "a trusted proxy, said to be from here", proxied: true, header: http.Header{"X-Forwarded-For": {"127.0.0.1, 198.51.100.9"}}},
		{name: "an unknown proxy", header: http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-User": {"kim"}}},
		{name: "tailscale serve", served: true, header: served("kim@example.com")},
		{name: "tailscale serve, another user", header: served("sam@example.com")},
	}

	credentials = []string{"nothing", "token", "wrong token", "password", "wrong password", "both", "device token"}
	devices     = []string{"paired", "new", "none", "not its key", "without nonce"}
	scopesAsked = [][]string{{"operator.read", "operator.pairing"}, {}, {"operator.read"}}
	paired      = []string{"operator.admin", "operator.read"} // what a paired device may do
)

// route is the way by which a client comes.
type route struct {
	name    string
	host    string // of the request, "" for the real one
	header  http.Header
	proxied bool   // this machine is a trusted proxy
	report  string // the address that is stored, "" for none
	local   bool   // the gateway can be sure that the client is on this machine
	vouches bool   // and that the proxy names a user who may come in
	served  bool   // and that Tailscale knows that user
}

func served(user string) http.Header {
	return http.Header{"Tailscale-User-Login": {user}, "X-Forwarded-For": {"100.64.0.7"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {tailscaletest.Host}}
}

type cell struct {
	mode       string
	route      route
	credential string
	device     string
	scopes     []string

	key   key    // of the device
	token string // of the device, when it is paired
}

func (c *cell) String() string {
	return fmt.Sprintf("%s, %s, %s, device %s, scopes %v", c.mode, c.route.name, c.credential, c.device, c.scopes)
}

// becomes is what becomes of a client: let in with Scopes, or refused.
type becomes struct {
	In      bool
	Scopes  string
	Token   bool // it is given a device token
	Code    string
	Message string
}

const password = "p4ssword-of-the-tests"

// sends tells which secrets the credential consists of.
func (c *cell) sends() (token, pass bool) {
	switch c.credential {
	case "token", "wrong token", "device token":
		return true, false
	case "password", "wrong password":
		return false, true
	}
	return c.credential == "both", c.credential == "both"
}

// want is the oracle: the rules of the protocol, in their order, in the fewest words.
func (c *cell) want() becomes {
	mode, tail := strings.CutSuffix(c.mode, "+tailscale")
	token, pass := c.sends()
	knows := mode == "token" && (c.credential == "token" || c.credential == "both") || mode == "password" && (c.credential == "password" || c.credential == "both")
	vouched := mode == "trusted-proxy" && c.route.vouches || tail && c.route.served
	why := "unauthorized"
	for kind, sent := range map[string]bool{"token": token, "password": pass} {
		if mode == kind {
			why = "unauthorized: gateway " + kind + map[bool]string{true: " mismatch", false: " missing"}[sent] +
				" (set gateway.remote." + kind + " to match gateway.auth." + kind + ")"
		}
	}
	refuse := func(message string) becomes { return becomes{Code: protocol.CodeInvalidRequest, Message: message} }
	unpaired := func(message string) becomes { return becomes{Code: protocol.CodeNotPaired, Message: message} }
	if c.device == "none" {
		switch {
		case knows:
			return becomes{In: true}
		case !vouched && (token || pass):
			return refuse(why)
		}
		return unpaired("device identity required")
	}
	switch {
	case c.device == "without nonce" && !c.route.local:
		return refuse("device nonce required")
	case c.device == "not its key":
		return refuse("device signature invalid")
	}
	within := !slices.ContainsFunc(c.scopes, func(s string) bool { return !slices.Contains(paired, s) })
	ok := knows || vouched
	if !ok && token {
		ok = c.device == "paired" && c.credential == "device token" && within
		why = "unauthorized: device token mismatch (rotate/reissue device token)"
	}
	switch {
	case !ok:
		return refuse(why)
	case c.device == "paired" && within, c.route.local:
		return becomes{In: true, Scopes: strings.Join(c.scopes, " "), Token: true}
	}
	return unpaired("pairing required")
}

// params are what the client of the cell sends.
func (c *cell) params(nonce string) object {
	secrets := object{}
	token, pass := c.sends()
	if token {
		secrets["token"] = map[string]string{"token": secret, "both": secret, "device token": c.token}[c.credential]
		if secrets["token"] == "" {
			secrets["token"] = "wrong-token-of-the-tests"
		}
	}
	if pass {
		secrets["password"] = password
		if c.credential == "wrong password" {
			secrets["password"] = "x"
		}
	}
	p := with(plain(), object{"auth": secrets, "scopes": c.scopes})
	switch c.device {
	case "none":
		return p
	case "without nonce":
		nonce = ""
	}
	p = c.key.sign(p, time.Now(), nonce)
	if c.device == "not its key" {
		p["device"] = with(p["device"].(object), object{"signature": strings.Repeat("A", 86)})
	}
	return p
}

// got is what becomes of the client over the wire.
func (c *cell) got(t *testing.T, r *running) becomes {
	t.Helper()
	header := c.route.header.Clone()
	if c.route.host != "" {
		header = http.Header{"Host": {c.route.host}}
	}
	w := r.open(t, header)
	defer w.conn.CloseNow()
	w.post("1", "connect", c.params(w.nonce))
	res := w.answer()
	if !res.OK {
		code, reason, _ := w.closed()
		if code != websocket.StatusPolicyViolation {
			t.Errorf("%s: closed with %d", c, code)
		}
		checkReason(t, code, reason, res.Error.Message)
		return becomes{Code: res.Error.Code, Message: res.Error.Message}
	}
	var hello protocol.Hello
	if err := json.Unmarshal(res.Payload, &hello); err != nil {
		t.Fatal(err)
	}
	out := becomes{In: true}
	if hello.Auth != nil {
		out.Scopes, out.Token = strings.Join(c.scopes, " "), true
		for _, s := range c.scopes {
			if !slices.Contains(hello.Auth.Scopes, s) {
				t.Errorf("%s: the token has the scopes %v", c, hello.Auth.Scopes)
			}
		}
	}
	read := w.ask("2", "health", object{})
	if read.OK != (out.Token && slices.Contains(c.scopes, "operator.read")) {
		t.Errorf("%s: health: %v %+v", c, read.OK, read.Error)
	}
	return out
}

// TestAuthMatrix holds every cell against the oracle, over the wire. And what a
// stranger is told depends on nothing but what he sent: all whose credential is wrong
// and who sent the same kinds of it hear the same, whether the device is known or
// not, and whoever's token it is.
func TestAuthMatrix(t *testing.T) {
	t.Parallel()
	program := tailscaletest.Program(t, tailscaletest.Fine)
	var mu sync.Mutex
	heard := map[string]map[string]bool{} // by what a stranger knows
	t.Run("cells", func(t *testing.T) {
		for _, mode := range modes {
			for _, proxied := range []bool{false, true} {
				var cells []*cell
				for _, rt := range routes {
					for _, credential := range credentials {
						for _, device := range devices {
							for n, scopes := range scopesAsked {
								// Only of a paired device is it looked at which scopes it asks for, and else at whether it asks for any.
								if rt.proxied == proxied && (device == "paired" || device == "new" && n < 2 || n == 0) {
									cells = append(cells, &cell{mode: mode, route: rt, credential: credential, device: device, scopes: scopes, key: newKey(t)})
								}
							}
						}
					}
				}
				t.Run(fmt.Sprintf("%s, trusted %v", mode, proxied), func(t *testing.T) {
					t.Parallel()
					r := startWith(t, func(o *gateway.Options) { matrixOptions(t, o, mode, proxied, program, cells) })
					for _, c := range cells {
						got := c.got(t, r)
						if want := c.want(); got != want {
							t.Errorf("%s:\ngot  %+v\nwant %+v", c, got, want)
						}
						if strings.HasPrefix(got.Message, "unauthorized") {
							token, pass := c.sends()
							knows := fmt.Sprintf("mode %s, token sent %v, password sent %v, with a device %v", strings.TrimSuffix(c.mode, "+tailscale"), token, pass, c.device != "none")
							mu.Lock()
							if heard[knows] == nil {
								heard[knows] = map[string]bool{}
							}
							heard[knows][got.Message] = true
							mu.Unlock()
						}
					}
				})
			}
		}
	})
	for knows, texts := range heard {
		if len(texts) != 1 {
			t.Errorf("strangers who know no more than %s hear %v", knows, texts)
		}
	}
	if len(heard) < 15 {
		t.Errorf("only %d kinds of strangers", len(heard))
	}
}

// matrixOptions makes the gateway of some cells, whose paired devices it knows.
func matrixOptions(t *testing.T, o *gateway.Options, mode string, proxied bool, program string, cells []*cell) {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	kind, tail := strings.CutSuffix(mode, "+tailscale")
	o.Auth = auth.Settings{Mode: kind, Token: secret, Password: password, AllowTailscale: tail,
		Proxy: &config.TrustedProxy{UserHeader: "x-user", AllowUsers: []string{"kim"}}}
	o.Tailscale = tailscale.CLI{Program: program}
	if proxied {
		o.Auth.TrustedProxies = []string{"127.0.0.0/8"}
	}
	o.Config.Config.Gateway.TrustedProxies = o.Auth.TrustedProxies
	known := map[string]auth.Device{}
	for _, c := range cells {
		if c.device != "paired" {
			c.token = "token-of-somebody-else"
			continue
		}
		id := protocol.DeviceID(c.key.public())
		c.token = "token-of-" + id
		known[id] = auth.Device{DeviceID: id, PublicKey: protocol.FormatPublicKey(c.key.public()), Role: "operator", Roles: []string{"operator"}, Scopes: paired,
			Platform: "linux", ClientID: "cli", ClientMode: "cli", RemoteIP: c.route.report, // so that nothing is to be written
			Tokens: map[string]*auth.DeviceToken{"operator": {Token: c.token, Role: "operator", Scopes: paired, CreatedAtMs: 1}}}
	}
	text, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(o.StateDir, "devices")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "paired.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
