package webui_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/webui"
)

func ask(o webui.Options, method, path string) *httptest.ResponseRecorder {
	if o.Enter == nil {
		o.Enter = func(http.ResponseWriter, *http.Request) (*http.Cookie, error) {
			return nil, errors.New("Nobody <may>.")
		}
	}
	w := httptest.NewRecorder()
	webui.New(o).ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestServe(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{"index.html": "the other UI", "favicon.svg": "<svg/>", "assets/index-1.js": "export {}", "../secret": "s"} {
		path := filepath.Join(root, "ui", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(root, "secret"), filepath.Join(root, "ui", "assets", "link.js")); err != nil {
		t.Fatal(err)
	}
	other, none, empty := filepath.Join(root, "ui"), filepath.Join(root, "none"), t.TempDir()
	for _, tc := range []struct {
		base, root, method, path string
		code                     int
		has                      string // in the body, or for a redirect its goal
	}{
		{"", "", "GET", "/", 200, "__coderclaw/ui/app.js"},
		{"", "", "HEAD", "/", 200, ""},
		{"", "", "POST", "/", 405, ""},
		{"", "", "GET", "/nothing", 404, ""},
		{"", "", "GET", "/__coderclaw/ui/app.js", 200, "WebSocket"},
		{"", "", "GET", "/__coderclaw/ui/style.css", 200, "color-scheme"},
		{"", "", "GET", "/__coderclaw/ui/page.html", 404, ""},
		{"", "", "GET", "/__coderclaw/open", 200, "ui/enter.js"},
		{"", "", "POST", "/__coderclaw/open", 403, "Nobody &lt;may&gt;."},
		{"", "", "GET", "/__coderclaw/control-ui-config.json", 200, `"basePath":""`},
		{"ui", "", "GET", "/ui", 302, "/ui/"},
		{"/ui/", "", "GET", "/ui?a=b", 302, "/ui/?a=b"},
		{"/ui", "", "GET", "/ui/", 200, "app.js"},
		{"/ui", "", "GET", "/ui/__openclaw/control-ui-config.json", 200, `"basePath":"/ui"`},
		{"/ui", "", "POST", "/ui/__coderclaw/open", 403, "<code id=\"command\">coderclaw open &#34;</code>"},
		{"/ui", "", "GET", "/uis/", 404, ""},
		{"/ui", "", "GET", "/", 404, ""},
		{"//evil.example", "", "GET", "/evil.example", 302, "/evil.example/"},
		{"/a {b}", "", "GET", "/a%20%7Bb%7D/", 200, "app.js"},
		{"", other, "GET", "/", 200, "the other UI"},
		{"", other, "GET", "/chat/main", 200, "the other UI"},
		{"", other, "GET", "/favicon.svg", 200, "<svg/>"},
		{"", other, "GET", "/assets/index-1.js", 200, "export"},
		{"", other, "GET", "/chat/assets/index-1.js", 200, "export"},
		{"", other, "GET", "/assets/", 200, "the other UI"},
		{"", other, "GET", "/assets/link.js", 200, "the other UI"},
		{"", other, "GET", "/%2e%2e/secret", 404, ""},
		{"/ui", other, "GET", "/ui/%2e%2e/secret", 404, ""},
		{"/ui", "", "GET", "/ui//chat", 404, ""},
		{"", other, "GET", "/__coderclaw/open", 200, "ui/enter.js"},
		{"", other, "POST", "/chat", 405, ""},
		{"", none, "GET", "/", 503, "Control UI assets not found"},
		{"", empty, "GET", "/", 503, "Control UI assets not found"},
		{"", none, "GET", "/__coderclaw/control-ui-config.json", 200, "assistantName"},
	} {
		w := ask(webui.Options{BasePath: tc.base, Root: tc.root, Command: `coderclaw open "`}, tc.method, tc.path)
		got := w.Body.String()
		if w.Code == http.StatusFound {
			got = w.Header().Get("Location")
			if got != tc.has {
				t.Errorf("base %q: %s redirects to %s, want %s", tc.base, tc.path, got, tc.has)
			}
		}
		if w.Code != tc.code || !strings.Contains(got, tc.has) || strings.Contains(got, "secret") && tc.code == 200 {
			t.Errorf("base %q root %q: %s %s: got %d %s", tc.base, tc.root, tc.method, tc.path, w.Code, got)
		}
		h := w.Header()
		if h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: headers %v", tc.path, h)
		}
	}
}

// TestEnter: a ticket that is good leads to the UI, with the cookie.
func TestEnter(t *testing.T) {
	t.Parallel()
	enter := func(http.ResponseWriter, *http.Request) (*http.Cookie, error) {
		return &http.Cookie{Name: "a", Value: "b"}, nil
	}
	w := ask(webui.Options{BasePath: "a b", Enter: enter}, "POST", "/a%20b/__coderclaw/open")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/a%20b/" || w.Header().Get("Set-Cookie") != "a=b" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

func TestPageSettings(t *testing.T) {
	t.Parallel()
	var got struct{ Profile, Command string }
	w := ask(webui.Options{Profile: "dev", Command: "coderclaw open dev"}, "GET", "/__coderclaw/ui/page.json")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Profile != "dev" || got.Command != "coderclaw open dev" {
		t.Errorf("%s, %v", w.Body, err)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	if got := webui.EntranceURL("http://h:1", "/a b/", "t"); got != "http://h:1/a%20b/__coderclaw/open#t" {
		t.Error(got)
	}
	if got := webui.Home("ui"); got != "/ui/" {
		t.Error(got)
	}
	if got := webui.Home(" / "); got != "/" {
		t.Error(got)
	}
}

// TestPageObeysItsPolicy: what the page takes from the gateway is shown as text, and
// nothing in it needs what the policy forbids.
func TestPageObeysItsPolicy(t *testing.T) {
	t.Parallel()
	bad := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://| on[a-z]+="| style="`)
	files, err := filepath.Glob("assets/*")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if found := bad.Find(text); found != nil {
			t.Errorf("%s contains %s", f, found)
		}
	}
}
