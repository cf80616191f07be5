package gateway_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/ticket"
	"github.com/coderclaw/coderclaw/internal/localsocket"
	"github.com/coderclaw/coderclaw/profiles"
)

// startWithDesk starts a gateway that issues tickets, changed by change.
func startWithDesk(t *testing.T, change func(*gateway.Options)) (*running, *ticket.Client) {
	t.Helper()
	dir, err := os.MkdirTemp("", "g") // that of t may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := localsocket.Listen(dir, ticket.SocketName)
	if err != nil {
		t.Fatal(err)
	}
	r := startWith(t, func(o *gateway.Options) {
		o.Local = l
		if change != nil {
			change(o)
		}
	})
	return r, ticket.NewClient(dir)
}

// page is what a client in a browser sends, without a device and a secret.
func page(client string) object {
	return with(plain(), object{"auth": nil, "scopes": []string{"operator.admin", "operator.pairing"},
		"client": object{"id": client, "mode": "webchat", "version": "1", "platform": "web"}})
}

func (r *running) origin() string { return "http" + strings.TrimPrefix(r.url, "ws") }

// signIn does what a browser does with a ticket.
func (r *running) signIn(t *testing.T, desk *ticket.Client) *http.Cookie {
	t.Helper()
	got, err := desk.Issue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	link, err := url.Parse(got.URL)
	if err != nil || got.Origin != r.origin() || got.Profile != "test" {
		t.Fatalf("%+v, %v", got, err)
	}
	form := url.Values{ticket.FormField: {link.Fragment}}
	link.Fragment = ""
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link.String(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", r.origin())
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSeeOther || len(res.Cookies()) != 1 {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("%s: %s", res.Status, body)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return res.Cookies()[0]
}

// TestSignedInBrowser lists who is let in by the cookie of a ticket.
func TestSignedInBrowser(t *testing.T) {
	t.Parallel()
	r, desk := startWithDesk(t, nil)
	cookie := r.signIn(t, desk)
	sent := cookie.Name + "=" + cookie.Value
	k := newKey(t)
	ui, sibling, webchat := page("coderclaw-control-ui"), page("openclaw-control-ui"), page("webchat")
	const insecure = "control ui requires HTTPS or localhost (secure context)"
	for _, tc := range []struct {
		name   string
		header http.Header
		params func(*wire) object
		no     string
	}{
		{"without a device", http.Header{"Origin": {r.origin()}, "Cookie": {sent}}, func(*wire) object { return ui }, ""},
		{"with a device", http.Header{"Origin": {r.origin()}, "Cookie": {sent}}, func(w *wire) object { return k.sign(ui, time.Now(), w.nonce) }, ""},
		{"of the family", http.Header{"Origin": {r.origin()}, "Cookie": {sent}}, func(w *wire) object { return k.sign(sibling, time.Now(), w.nonce) }, ""},
		{"with a wrong token besides", http.Header{"Origin": {r.origin()}, "Cookie": {sent}}, func(*wire) object { return with(ui, object{"auth": object{"token": "old"}}) }, ""},
		{"through a proxy of this machine", http.Header{"Origin": {r.origin()}, "Cookie": {sent}, "X-Forwarded-For": {"192.0.2.1"}}, func(*wire) object { return ui }, ""},
		{"with a device of another", http.Header{"Origin": {r.origin()}, "Cookie": {sent}}, func(w *wire) object { return k.sign(ui, time.Now(), "x") }, "device nonce mismatch"},
		{"as a node", http.Header{"Origin": {r.origin()}, "Cookie": {sent}}, func(*wire) object { return with(ui, object{"role": "node"}) }, insecure},
		{"another client", http.Header{"Origin": {r.origin()}, "Cookie": {sent}}, func(*wire) object { return webchat }, "device identity required"},
		{"a page of another port", http.Header{"Origin": {"http://127.0.0.1:1"}, "Cookie": {sent}}, func(*wire) object { return ui }, insecure},
		{"a page of another site", http.Header{"Origin": {"http://evil.example"}, "Cookie": {sent}}, func(*wire) object { return ui }, badOrigin},
		{"no page", http.Header{"Cookie": {sent}}, func(*wire) object { return ui }, badOrigin},
		{"without the cookie", http.Header{"Origin": {r.origin()}}, func(*wire) object { return ui }, insecure},
		{"with a made-up cookie", http.Header{"Origin": {r.origin()}, "Cookie": {cookie.Name + "=" + strings.Repeat("A", len(cookie.Value))}}, func(*wire) object { return ui }, insecure},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := r.open(t, tc.header)
			w.post("1", "connect", tc.params(w))
			if tc.no != "" {
				_, _, answer := w.closed()
				if answer == nil || answer.Message != tc.no {
					t.Errorf("got %+v", answer)
				}
				return
			}
			res := w.answer()
			if !res.OK || strings.Contains(string(res.Payload), "deviceToken") {
				t.Fatalf("%+v %s", res.Error, res.Payload)
			}
			if res := w.ask("2", "device.pair.list", object{}); !res.OK || strings.Contains(string(res.Payload), protocol.DeviceID(k.public())) {
				t.Errorf("the device was paired for good: %+v %s", res.Error, res.Payload)
			}
		})
	}
}

// TestSignInOutlivesRestart: a successor with the same secret knows the browser, one with another does not.
func TestSignInOutlivesRestart(t *testing.T) {
	t.Parallel()
	first, desk := startWithDesk(t, nil)
	cookie := first.signIn(t, desk)
	for token, in := range map[string]bool{secret: true, "rotated": false} {
		next := startWith(t, func(o *gateway.Options) {
			o.StateDir, o.Auth.Token = first.dir, token
		})
		u, err := url.Parse(first.origin())
		if err != nil {
			t.Fatal(err)
		}
		w := next.open(t, http.Header{"Host": {u.Host}, "Origin": {first.origin()}, "Cookie": {cookie.Name + "=" + cookie.Value}})
		w.post("1", "connect", page("coderclaw-control-ui"))
		if got := w.answer(); got.OK != in {
			t.Errorf("token %q: %+v", token, got.Error)
		}
	}
}

// TestSignInEndsWithToken: a browser has no time of grace, for it can sign in again at once.
func TestSignInEndsWithToken(t *testing.T) {
	t.Parallel()
	r, desk := startWithDesk(t, nil)
	cookie := r.signIn(t, desk)
	none := func(string) (string, bool) { return "", false }
	p := profiles.Profile{Name: "test", StateDir: r.dir, ConfigPath: r.config}
	if _, err := auth.RotateToken(t.Context(), p, none, time.Hour, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		cookie *http.Cookie
		in     bool
	}{{cookie, false}, {r.signIn(t, desk), true}} {
		w := r.open(t, http.Header{"Origin": {r.origin()}, "Cookie": {tc.cookie.Name + "=" + tc.cookie.Value}})
		w.post("1", "connect", page("coderclaw-control-ui"))
		if got := w.answer(); got.OK != tc.in {
			t.Errorf("let in: %t, %+v", got.OK, got.Error)
		}
	}
}

// TestSignInEnds: a connection does not outlive the time that its browser was signed in for.
func TestSignInEnds(t *testing.T) {
	t.Parallel()
	r := start(t)
	u, err := url.Parse(r.origin())
	if err != nil {
		t.Fatal(err)
	}
	for left := 200 * time.Millisecond; ; left *= 2 {
		cookie := r.gateway.SessionsAgo(12*time.Hour - left).New(&http.Request{Host: u.Host})
		w := r.open(t, http.Header{"Origin": {r.origin()}, "Cookie": {cookie.Name + "=" + cookie.Value}})
		w.post("1", "connect", page("coderclaw-control-ui"))
		code, reason, refused := w.closed()
		if refused != nil && left < time.Minute { // on a busy machine the time may be over before it is let in
			continue
		}
		if code != 1008 || reason != "signed out after a time [coderclaw --profile test open]" {
			t.Errorf("closed with %d %s", code, reason)
		}
		return
	}
}

func TestOriginOfTickets(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		addrs  []string
		secure bool
		want   string
	}{
		{[]string{"127.0.0.1:18789", "[::1]:18789"}, false, "http://127.0.0.1:18789"},
		{[]string{"[::1]:18789"}, false, "http://[::1]:18789"},
		{[]string{"0.0.0.0:18789"}, false, "http://127.0.0.1:18789"},
		{[]string{"100.64.0.7:18789", "127.0.0.1:18789"}, false, "http://127.0.0.1:18789"},
		{[]string{"100.64.0.7:18789"}, true, "https://100.64.0.7:18789"},
		{[]string{"127.0.0.1:80"}, false, "http://127.0.0.1"},
		{[]string{"[::1]:443"}, true, "https://[::1]"},
		{[]string{"127.0.0.1:443"}, false, "http://127.0.0.1:443"},
	} {
		o := gateway.Options{Log: slog.New(slog.DiscardHandler)}
		if tc.secure {
			o.TLS = &tls.Config{}
		}
		for _, text := range tc.addrs {
			a, err := net.ResolveTCPAddr("tcp", text)
			if err != nil {
				t.Fatal(err)
			}
			o.Listeners = append(o.Listeners, listenerAt{addr: a})
		}
		if got := gateway.OriginOf(&o); got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.addrs, got, tc.want)
		}
	}
}

type listenerAt struct {
	net.Listener
	addr net.Addr
}

func (l listenerAt) Addr() net.Addr { return l.addr }

func TestUIOff(t *testing.T) {
	t.Parallel()
	off := false
	r, desk := startWithDesk(t, func(o *gateway.Options) { o.Config.Config.Gateway.ControlUI.Enabled = &off })
	if _, err := desk.Issue(t.Context()); err == nil || !strings.Contains(err.Error(), "is off") {
		t.Errorf("got %v", err)
	}
	res, err := http.Get(r.origin())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if res.StatusCode != http.StatusNotFound {
		t.Error(res.Status)
	}
}
