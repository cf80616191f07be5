package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/ticket"
)

// TestOpen has a real browser opened, follows what it shows, and tries what must not work.
func TestOpen(t *testing.T) {
	t.Parallel()
	b := newChromium(t)
	s := supervise(t)
	temp := t.TempDir()
	home := fmt.Sprintf("http://127.0.0.1:%d/", s.port)

	cmd := exec.Command("coderclaw", "open")
	cmd.Env = append(s.env, "DISPLAY=:none", "TMPDIR="+temp, "PATH="+b.bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	said, opened := strings.CutSuffix(string(out), "Opened in your browser.\n")
	said, shown := strings.CutPrefix(said, "Dashboard URL: "+home+"\n")
	if err != nil || !opened || !shown || said != "" && !strings.HasPrefix(said, "The browser has not shown the page so far.") { // a slow machine may need a while to start one
		log, _ := os.ReadFile(filepath.Join(b.data, "log"))
		t.Fatalf("open: %v\n%s\n%s", err, out, log)
	}
	for _, dir := range []string{temp, s.home} {
		if left, _ := filepath.Glob(filepath.Join(dir, "coderclaw-open-*")); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	b.attach()
	b.await("document.getElementById('state').textContent", "connected")
	b.await("document.getElementById('facts').textContent", "Profiledefault")
	b.await("document.getElementById('facts').textContent", "Healthok")
	b.await("document.getElementById('facts').textContent", fmt.Sprintf("Process%d", s.pid()))
	b.await("document.getElementById('presence').textContent", "coderclaw-control-ui")
	b.text("window.before = document.getElementById('uptime').textContent")
	b.await("document.getElementById('uptime').textContent != window.before", "true")
	if at := b.text("location.href"); at != home {
		t.Errorf("the page is at %s", at)
	}
	if visible := b.text("document.cookie"); visible != "" {
		t.Errorf("scripts can read the cookie: %s", visible)
	}

	t.Run("pairing", func(t *testing.T) { s.approveInBrowser(t, b) })
	t.Run("restart", func(t *testing.T) {
		s.must("supervisor", "restart", "default")
		b.await("document.getElementById('facts').textContent", fmt.Sprintf("Process%d", s.pid()))
		b.await("document.getElementById('state').textContent", "connected")
	})
	t.Run("a page of another port", func(t *testing.T) {
		// It gets the browser to send the cookie, for a cookie is of a host and not of a port.
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<p id="said"></p><script>
const ws = new WebSocket('ws://127.0.0.1:%d');
ws.onmessage = (m) => {
  const f = JSON.parse(m.data);
  if (f.event === 'connect.challenge') ws.send(JSON.stringify({type: 'req', id: '1', method: 'connect', params: {minProtocol: 3, maxProtocol: 3,
    client: {id: 'coderclaw-control-ui', mode: 'webchat', version: '1', platform: 'web'}, scopes: ['operator.admin']}}));
  else document.getElementById('said').textContent = m.data;
};
</script>`, s.port)
		}))
		defer other.Close()
		b.visit(other.URL)
		b.await("document.getElementById('said').textContent", "control ui requires HTTPS or localhost (secure context)")
	})
	t.Run("used twice", func(t *testing.T) {
		link := s.link(t)
		b.visit(link)
		b.await("document.getElementById('state').textContent", "connected")
		b.visit(link)
		b.await("document.body.textContent", "This link has been used already. Each works once.")
		b.await("document.getElementById('command').textContent", "coderclaw open default")
	})
	t.Run("another name", func(t *testing.T) {
		b.visit(strings.Replace(s.link(t), "127.0.0.1", "localhost", 1))
		b.await("document.getElementById('why').textContent", "This link was made for "+strings.TrimSuffix(home, "/"))
	})
	t.Run("no ticket", func(t *testing.T) {
		b.visit(home + "__coderclaw/open")
		b.await("document.getElementById('text').textContent", "carries no ticket")
		b.await("document.getElementById('command').textContent", "coderclaw open default")
	})
	t.Run("not signed in", func(t *testing.T) {
		b.visit(strings.Replace(home, "127.0.0.1", "localhost", 1))
		b.await("document.getElementById('trouble').textContent", "This browser is not signed in")
		b.await("document.getElementById('command').textContent", "coderclaw open default")
	})
}

// link gets a link as a script does.
func (s *supervised) link(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("coderclaw", "open", "--json")
	cmd.Env = s.env
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got ticket.Ticket
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	return got.URL
}

// approveInBrowser lets a device in that asks from elsewhere, with the button of the page.
func (s *supervised) approveInBrowser(t *testing.T, b *chromium) {
	to, err := url.Parse("http://127.0.0.1:" + strconv.Itoa(s.port))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(to)) // says for whom it asks, so that nothing is taken for local
	defer proxy.Close()
	id, err := client.LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := client.Options{URL: "ws" + strings.TrimPrefix(proxy.URL, "http"), Token: s.token(), Identity: id, DisplayName: "<b>phone</b>", Foreign: true, Scopes: []string{"operator.read"}}
	if _, err := client.Dial(t.Context(), o); err == nil || !strings.Contains(err.Error(), "pairing required") {
		t.Fatalf("got %v", err)
	}
	b.await("document.getElementById('pairing').textContent", "<b>phone</b>")
	b.text("document.querySelector('#pairing button').click()")
	b.await("document.getElementById('pairing-said').textContent", "Approved")
	b.await("document.getElementById('pairing').textContent", "none")
	c, err := client.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
