package ticket

import (
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"strings"
)

// FormField is the field of the form in which a page sends a ticket.
const FormField = "ticket"

// Entrance takes tickets from pages of the gateway, in a form that they post, and gives a
// cookie for one.
type Entrance struct {
	Office   *Office
	Sessions *Sessions
	Home     string // path to go on to
	Command  string // that makes a new ticket, for people
	Log      *slog.Logger
}

// ServeHTTP answers with the cookie and the way to the UI, or with a page that says why not.
func (e *Entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	origin := originOf(r)
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	err := r.ParseForm()
	switch {
	case !strings.EqualFold(r.Header.Get("Origin"), origin):
		err = Refusal("A link like this is followed from the gateway's own page only.")
	case err != nil:
		err = Refusal("What was sent is not a form.")
	default:
		err = e.Office.Redeem(r.PostForm.Get(FormField), origin)
	}
	if err != nil {
		e.Log.Warn("a browser was refused", "remote", r.RemoteAddr, "why", err.Error())
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, refused, html.EscapeString(err.Error()), html.EscapeString(e.Command))
		return
	}
	e.Log.Info("a browser was let in by its ticket", "remote", r.RemoteAddr)
	http.SetCookie(w, e.Sessions.New(r))
	http.Redirect(w, r, e.Home, http.StatusSeeOther)
}

const refused = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Link refused · coderclaw</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:4rem auto;padding:0 1rem}code{font-size:1.1em}</style></head>
<body><main><h1>Link refused</h1><p id="why">%s</p>
<p>For a new one type: <code id="command">%s</code></p></main></body></html>
`
