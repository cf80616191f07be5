package ticket

import (
	"log/slog"
	"net/http"
	"strings"
)

// FormField is the field of the form in which a page sends a ticket.
const FormField = "ticket"

// Entrance takes tickets from pages of the gateway, in a form that they post. It is safe for
// concurrent use.
type Entrance struct {
	Office   *Office
	Sessions *Sessions
	Log      *slog.Logger
}

// Enter returns the cookie that the sender of a request gets for its ticket. The error is a
// Refusal. Of the body no more is read than a ticket needs; w, where the request is answered,
// is told of one that is longer.
func (e *Entrance) Enter(w http.ResponseWriter, r *http.Request) (*http.Cookie, error) {
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
		return nil, err
	}
	e.Log.Info("a browser was let in by its ticket", "remote", r.RemoteAddr)
	return e.Sessions.New(r), nil
}
