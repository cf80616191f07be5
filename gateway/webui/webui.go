// Package webui owns what a browser is served: the built-in page that shows a gateway,
// or the files of another Control UI, with their security headers. Who may connect from a
// page is not decided here.
package webui

import (
	"embed"
	"encoding/json"
	"html"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Paths below the base path.
const (
	entrancePath = "/__coderclaw/open"
	pagePath     = "/__coderclaw/ui/"
)

// policy is what pages may load. Inline styles and foreign pictures are for the Control UI of the family.
const policy = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'; script-src 'self'; " +
	"style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; font-src 'self'; connect-src 'self' ws: wss:"

// Options say what is served.
type Options struct {
	BasePath string // gateway.controlUi.basePath, as written
	Root     string // gateway.controlUi.root: a directory that takes the place of the built-in page, "" for none
	Profile  string
	Command  string // that opens the UI, for people

	// Enter returns the cookie for what the page of a ticket posts, or says to the person why
	// there is none.
	Enter func(http.ResponseWriter, *http.Request) (*http.Cookie, error)
}

// UI serves below its base path. It is safe for concurrent use.
type UI struct {
	o    Options
	base string
	mux  *http.ServeMux
}

//go:embed assets
var assets embed.FS

// refused is the page for who is not let in; {why} and {command} stand in it for what they say.
//
//go:embed assets/refused.html
var refused string

// prefixOf is the path that a base path stands for: "" or a slash and a name.
func prefixOf(text string) string {
	text = strings.Trim(strings.TrimSpace(text), "/")
	if text == "" {
		return ""
	}
	return "/" + text
}

// EntranceURL is the URL at which a browser shows a ticket; it stands behind a #, so that
// it is in no request line and no log.
func EntranceURL(origin, basePath, ticket string) string {
	return origin + escaped(prefixOf(basePath)) + entrancePath + "#" + ticket
}

// Home is the path of the UI in a URL.
func Home(basePath string) string { return escaped(prefixOf(basePath)) + "/" }

func escaped(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// New returns the UI.
func New(o Options) *UI {
	u := &UI{o: o, base: prefixOf(o.BasePath), mux: http.NewServeMux()}
	built, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the name is valid
	}
	file := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, built, name) }
	}
	u.mux.HandleFunc("GET "+entrancePath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Referrer-Policy", "same-origin") // with no-referrer a browser hides the origin of what the page posts
		w.Header().Set("Cache-Control", "no-store")
		file("enter.html")(w, r)
	})
	u.mux.HandleFunc("POST "+entrancePath, u.enter)
	for _, name := range []string{"app.js", "enter.js", "style.css"} {
		u.mux.HandleFunc("GET "+pagePath+name, file(name))
	}
	u.mux.HandleFunc("GET "+pagePath+"page.json", u.page)
	u.mux.HandleFunc("GET /__coderclaw/control-ui-config.json", u.config)
	u.mux.HandleFunc("GET /__openclaw/control-ui-config.json", u.config) // where that of a sibling product asks
	if o.Root != "" {
		u.mux.Handle("GET /", directory(o.Root))
	} else {
		u.mux.HandleFunc("GET /{$}", file("page.html"))
	}
	return u
}

// ServeHTTP answers what lies below the base path.
func (u *UI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-cache")
	rest, below := strings.CutPrefix(r.URL.Path, u.base)
	switch {
	case !below || rest != "" && rest[0] != '/' || !clean(r.URL.Path):
		http.NotFound(w, r)
	case rest == "":
		to := url.URL{Path: u.base + "/", RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, to.String(), http.StatusFound)
	default:
		inner := new(http.Request)
		*inner = *r
		inner.URL = &url.URL{Path: rest, RawQuery: r.URL.RawQuery}
		u.mux.ServeHTTP(w, inner)
	}
}

// clean tells whether a path has nothing in it that the mux would correct by a redirect,
// which knows of no base path.
func clean(text string) bool {
	return path.Clean(text) == strings.TrimSuffix(text, "/") || text == "/"
}

// enter answers what the page of a ticket posts: with the cookie and the way to the UI, or
// with a page that says why not.
func (u *UI) enter(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	cookie, err := u.o.Enter(w, r)
	if err == nil {
		http.SetCookie(w, cookie)
		http.Redirect(w, r, Home(u.o.BasePath), http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusForbidden)
	says := strings.NewReplacer("{why}", html.EscapeString(err.Error()), "{command}", html.EscapeString(u.o.Command))
	_, _ = says.WriteString(w, refused) // the client may be gone
}

// config is what a Control UI asks for before it connects.
func (u *UI) config(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]string{"basePath": u.base, "assistantName": "Assistant", "assistantAvatar": "A", "assistantAgentId": "main"})
}

// page is what the built-in page must know before it has connected.
func (u *UI) page(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]string{"profile": u.o.Profile, "command": u.o.Command})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
